"""How long a page of the console's list takes, by what is asked for, beside a plain page of the same table.

The rows of the read models are made by the database itself (`generate_series`, in sql/console_*.sql), not through their
projections: renders of 30 days in one tenant, 12 projects, 50 requesters, the last hundredth of them still going on,
one in a thousand held; money for each, something to do for most, a prompt of 12 words of a vocabulary of 4,000.

Each question is asked `ROUNDS` times, each time with another value where it has one; `ms` is the median of its times
from the call of `Renders.page` to its rows. Every other round begins behind a render somewhere in the list, as further
pages do. The baseline is `select ... order by video_id desc limit 51` of one table, without joins and filters, as often
in the same run.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from bickford_sora.console.pages.list_renders import PAGE_RENDERS, STUCK_AFTER
from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.keys import Keys, MemoryKeyStore
from ledger.recorder import PostgresRecorder
from ledger.render import Phase
from ledger.sql import query
from projections import schemas
from projections.port import Pool
from projections.renders import Renders, Wanted
from projections.search import Search
from projections.spend import SPEND
from projections.videos import VIDEOS
from projections.work import WORK
from tests.benchmarks.database import temporary_database

ROUNDS = 15
FILL_RENDERS = 50_000
"""Renders made in one transaction."""
WORDS = 4_000
TENANT = "acme"
BEGAN = datetime(2026, 10, 1, tzinfo=UTC)
LASTED = timedelta(days=30)
ENDED = BEGAN + LASTED
DAY = timedelta(days=1)
_SQL = "tests.benchmarks.sql"
_TABLES = ("videos", "work", "spend", "words")

Ask = Callable[[random.Random], dict[str, Any]]


def run(url: str, *, renders: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Asks a list of `renders` renders; milliseconds by question, ready for JSON. `url` may create databases."""
    with temporary_database(url) as database, open_pool(database, size_max=4) as pool:
        migrate(database, files("ledger.migrations"), schema="ledger")
        _fill(pool, renders, on_progress)
        plain, asked = [], {}
        for name, ask in questions().items():
            asked[name] = _times(pool, ask)
            plain += _plain_times(pool)
            on_progress(f"{name}: {statistics.median(asked[name]):.2f} ms")
    every = [each for times in asked.values() for each in times]
    medians = {name: statistics.median(times) for name, times in asked.items()}
    return {
        "unit": "ms",
        "renders": renders,
        "rounds": ROUNDS,
        "questions": len(asked),
        **{name.replace(" ", "_"): round(median, 2) for name, median in medians.items()},
        "median": round(statistics.median(every), 2),
        "p95": round(statistics.quantiles(every, n=20)[18], 2),
        "slowest_question": round(max(medians.values()), 2),
        "plain": round(statistics.median(plain), 2),
        "ratio_plain": round(statistics.median(every) / statistics.median(plain), 2),
    }


def _fill(pool: Pool, renders: int, on_progress: Callable[[str], None]) -> None:
    recorder = PostgresRecorder(pool)
    Search(Ledger(recorder), Keys(b"m" * 32, MemoryKeyStore()), pool).ensure()
    recorder.close()
    projections = (VIDEOS, WORK, SPEND)
    with pool.connection() as connection:
        with connection.transaction():
            for projection in projections:
                schemas.create(connection, projection, projection.schema)
        for after in range(0, renders, FILL_RENDERS):
            until = min(after + FILL_RENDERS, renders)
            made = {"after": after, "until": until, "renders": renders, "words": WORDS}
            with connection.transaction():
                for table in _TABLES:
                    connection.execute(query(f"console_{table}", _SQL), made)
                    if after == 0 and table == "videos":  # the others look their stretch up
                        connection.execute("create index videos_filled on projection_videos.videos (position)")
            on_progress(f"{until:,} of {renders:,} renders")
        with connection.transaction():
            connection.execute("drop index projection_videos.videos_filled")
            for projection in projections:
                schemas.create_indexes(connection, projection, projection.schema)
        connection.execute("vacuum (analyze)")
    on_progress("indexed")


def questions() -> Mapping[str, Ask]:
    """Every filter and view of the list, with values chosen anew each time."""
    return {
        "everything": lambda _: {},
        "by project": lambda choice: {"project": f"project-{choice.randrange(12)}"},
        "by state completed": lambda _: {"phases": [Phase.STORED]},
        "by state failed": lambda _: {"phases": [Phase.FAILED, Phase.ASSET_LOST]},
        "by state running": lambda _: {"phases": [Phase.SUBMITTING, Phase.IN_PROGRESS, Phase.COMPLETED]},
        "by state unknown": lambda _: {"phases": [Phase.UNKNOWN, Phase.LOST]},
        "by state denied": lambda _: {"phases": [Phase.DENIED]},
        "deleted": lambda _: {"deleted": True, "phases": [*Phase]},
        "by requester": lambda choice: {"requester": f"requester-{choice.randrange(50)}"},
        "by nobody": lambda choice: {"requester": f"nobody-{choice.randrange(99)}"},
        "by model": lambda _: {"model": "sora-2-pro"},
        "by renderer": lambda _: {"renderer": "vllm"},
        "by rare renderer": lambda _: {"renderer": "rare"},
        "by tag": lambda _: {"tag": "winter"},
        "by rare tag": lambda _: {"tag": "rare"},
        "by purpose": lambda _: {"purpose": "draft"},
        "by unknown purpose": lambda _: {"purpose": "test"},
        "by cost": lambda choice: {"cost_micro_min": 900_000 + choice.randrange(90_000)},
        "by cost that nothing has": lambda _: {"cost_micro_min": 2_000_000},
        "by time": lambda choice: {
            "since": BEGAN + DAY * choice.randrange(20),
            "until": ENDED - DAY * choice.randrange(9),
        },
        "by a word": lambda choice: {"words": f"word{choice.randrange(WORDS)}"},
        "by two words": lambda choice: {"words": f"word{choice.randrange(WORDS)} word{choice.randrange(WORDS)}"},
        "needs approval": lambda _: {"among": "held"},
        "failing and retrying": lambda _: {"among": "retrying"},
        "stuck": lambda _: {"among": "stuck", "stuck_before": ENDED - STUCK_AFTER},
        "most expensive today": lambda _: {"order": "dearest", "since": ENDED - DAY},
        "most expensive": lambda _: {"order": "dearest"},
        "by project and state and model": lambda choice: {
            "project": f"project-{choice.randrange(12)}",
            "phases": [Phase.FAILED],
            "model": "sora-2-pro",
        },
        "by requester and tag and cost": lambda choice: {
            "requester": f"requester-{choice.randrange(5) * 10}",
            "tag": "winter",
            "cost_micro_max": 500_000,
        },
        "by a word and requester": lambda choice: {
            "words": f"word{choice.randrange(WORDS)}",
            "requester": f"requester-{choice.randrange(50)}",
        },
    }


def _times(pool: Pool, ask: Ask) -> list[float]:
    """Milliseconds of each round."""
    renders, choice = Renders(pool), random.Random(1)  # noqa: S311 - the same questions every time
    times = []
    for number in range(ROUNDS):
        wanted = Wanted(**{"tenant": TENANT, **ask(choice)})
        after = _somewhere(choice) if number % 2 and wanted.order == "newest" else None
        began = time.perf_counter()
        renders.page(wanted, after=after, limit=PAGE_RENDERS)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _somewhere(choice: random.Random) -> str:
    """The id a render of a random moment would have."""
    moment = BEGAN + LASTED * choice.random()
    return f"video_{round(moment.timestamp() * 1000):012x}7{0:019x}"


def _plain_times(pool: Pool) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        with pool.connection() as connection:
            began = time.perf_counter()
            connection.execute(query("console_plain", _SQL), {"tenant": TENANT, "limit": PAGE_RENDERS + 1}).fetchall()
            times.append((time.perf_counter() - began) * 1000)
    return times

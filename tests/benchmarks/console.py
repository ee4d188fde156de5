"""How long a page of the console's list takes, by what is asked for, beside a plain page of the same table.

The rows of the read models are made by the database itself (`generate_series`, in sql/console_*.sql), not through their
projections: renders of 30 days in one tenant, 12 projects, 50 requesters, the last hundredth of them still going on,
one in a thousand held; money for each, something to do for most, a prompt of 12 words of a vocabulary of 4,000.

Each question is asked `ROUNDS` times, each time with another value where it has one. A time is that of the whole page:
from a request of somebody who is signed in, over a socket, to the last byte of its HTML. `rows_` is the part of it that
the read models take. Every other round begins behind a render somewhere in the list, as further pages do. The baseline
is `select ... order by video_id desc limit 51` of one table, without joins and filters, as often in the same run.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from bickford_sora.composition.books import TENANT, Books, open_books
from bickford_sora.composition.console import console
from bickford_sora.composition.gateway import compose
from bickford_sora.composition.house import house
from bickford_sora.console.app import with_console
from bickford_sora.console.pages.list_renders import PAGE_RENDERS
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import ServerThread
from bickford_sora.settings import Settings
from ledger.keys import Keys
from ledger.sql import query
from projections import schemas
from projections.port import Pool
from projections.renders import Found, Renders, Wanted
from projections.spend import SPEND
from projections.videos import VIDEOS
from projections.work import WORK
from tests.benchmarks.database import temporary_database
from tests.benchmarks.figures import ratio

ROUNDS = 15
FILL_RENDERS = 50_000
"""Renders made in one transaction."""
WORDS = 4_000
PROMPTS = 1_000
"""Different ciphertexts of prompts."""
KEY = SecretStr("bk_live_benchmark-only")
REQUESTS_MAX = 1_000_000
BEGAN = datetime(2026, 10, 1, tzinfo=UTC)
LASTED = timedelta(days=30)
ENDED = BEGAN + LASTED
DAY = timedelta(days=1)
_SQL = "tests.benchmarks.sql"
_TABLES = ("videos", "work", "spend", "words")

Ask = Callable[[random.Random], dict[str, str]]
"""What is in the address, with values chosen anew."""


@dataclass
class Timed:
    """The read models, with how long each page of them took."""

    renders: Renders
    ms: list[float] = field(default_factory=list)

    def page(self, wanted: Wanted, *, after: str | None = None, limit: int = 50) -> Found:
        """A page, timed."""
        began = time.perf_counter()
        found = self.renders.page(wanted, after=after, limit=limit)
        self.ms.append((time.perf_counter() - began) * 1000)
        return found

    def some(self, tenant: str, project: str | None, video_ids: Sequence[str]) -> Found:
        """Those of these renders that are known."""
        return self.renders.some(tenant, project, video_ids)


def run(url: str, *, renders: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Asks a list of `renders` renders; milliseconds by question, ready for JSON. `url` may create databases."""
    with (
        temporary_database(url) as database,
        tempfile.TemporaryDirectory() as folder,
        open_books(_settings(database, folder)) as books,
    ):
        _fill(books.pool, books.keys, renders, on_progress)
        timed = Timed(Renders(books.pool))
        plain, asked = [], {}
        with _visitor(books, timed) as client:
            for name, ask in questions().items():
                asked[name] = _times(client, ask)
                plain += _plain_times(books.pool)
                on_progress(f"{name}: {statistics.median(asked[name]):.2f} ms")
    return _told(renders, asked, timed.ms, plain)


def _told(
    renders: int, asked: Mapping[str, Sequence[float]], rows: Sequence[float], plain: Sequence[float]
) -> dict[str, Any]:
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
        "rows_median": round(statistics.median(rows), 2),
        "rows_p95": round(statistics.quantiles(rows, n=20)[18], 2),
        "plain": round(statistics.median(plain), 2),
        "ratio_plain": ratio(statistics.median(every), statistics.median(plain)),
    }


def _settings(database: str, folder: str) -> Settings:
    return Settings(
        data_dir=Path(folder),
        database_url=SecretStr(database),
        api_key=KEY,
        requests_per_minute_max=REQUESTS_MAX,
        renderers_file=None,
    )


@contextmanager
def _visitor(books: Books, timed: Timed) -> Iterator[httpx.Client]:
    """Somebody who is signed in, at a server of these books."""
    with ExitStack() as stack:
        gateway = compose(books, [], stack)
        rooms = house(gateway, KEY)
        app = with_console(create_app(rooms), replace(console(gateway, rooms, stack), renders=timed))
        server = stack.enter_context(ServerThread(app, on_stopping=rooms.tide.closing.set))
        client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        client.post("/login", data={"api_key": KEY.get_secret_value()})
        yield client


def _fill(pool: Pool, keys: Keys, renders: int, on_progress: Callable[[str], None]) -> None:
    """Rows in the place of the empty tables; their indexes are made behind them."""
    projections = (VIDEOS, WORK, SPEND)
    prompts = [
        keys.seal(f"A kite over dune {n}", requester=f"{TENANT}:r", subject=f"video_{n}", field="render.intent.prompt")
        for n in range(PROMPTS)
    ]
    with pool.connection() as connection:
        with connection.transaction():
            for projection in projections:
                schemas.drop(connection, projection.schema)
                schemas.create(connection, projection, projection.schema)
        for after in range(0, renders, FILL_RENDERS):
            until = min(after + FILL_RENDERS, renders)
            made = {"after": after, "until": until, "renders": renders, "words": WORDS, "tenant": TENANT}
            with connection.transaction():
                for table in _TABLES:
                    connection.execute(
                        query(f"console_{table}", _SQL), {**made, "prompts": prompts, "distinct": PROMPTS}
                    )
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
        "by state completed": lambda _: {"state": "completed"},
        "by state failed": lambda _: {"state": "failed"},
        "by state running": lambda _: {"state": "running"},
        "by state unknown": lambda _: {"state": "unknown"},
        "by state denied": lambda _: {"state": "denied"},
        "deleted": lambda _: {"state": "deleted"},
        "by requester": lambda choice: {"requester": f"requester-{choice.randrange(50)}"},
        "by nobody": lambda choice: {"requester": f"nobody-{choice.randrange(99)}"},
        "by model": lambda _: {"model": "sora-2-pro"},
        "by renderer": lambda _: {"renderer": "vllm"},
        "by rare renderer": lambda _: {"renderer": "rare"},
        "by tag": lambda _: {"tag": "winter"},
        "by rare tag": lambda _: {"tag": "rare"},
        "by purpose": lambda _: {"purpose": "draft"},
        "by unknown purpose": lambda _: {"purpose": "test"},
        "by cost": lambda choice: {"cost_min": f"0.{900_000 + choice.randrange(90_000)}"},
        "by cost that nothing has": lambda _: {"cost_min": "2"},
        "by time": lambda choice: {
            "since": (BEGAN + DAY * choice.randrange(20)).isoformat(),
            "until": (ENDED - DAY * choice.randrange(9)).isoformat(),
        },
        "by a word": lambda choice: {"q": f"word{choice.randrange(WORDS)}"},
        "by two words": lambda choice: {"q": f"word{choice.randrange(WORDS)} word{choice.randrange(WORDS)}"},
        "needs approval": lambda _: {"among": "held"},
        "failing and retrying": lambda _: {"among": "retrying"},
        "stuck": lambda _: {"among": "stuck"},
        "most expensive today": lambda _: {"order": "dearest", "since": (ENDED - DAY).isoformat()},
        "most expensive": lambda _: {"order": "dearest"},
        "by project and state and model": lambda choice: {
            "project": f"project-{choice.randrange(12)}",
            "state": "failed",
            "model": "sora-2-pro",
        },
        "by requester and tag and cost": lambda choice: {
            "requester": f"requester-{choice.randrange(5) * 10}",
            "tag": "winter",
            "cost_max": "0.5",
        },
        "by a word and requester": lambda choice: {
            "q": f"word{choice.randrange(WORDS)}",
            "requester": f"requester-{choice.randrange(50)}",
        },
    }


def _times(client: httpx.Client, ask: Ask) -> list[float]:
    """Milliseconds of each round."""
    choice = random.Random(1)  # noqa: S311 - the same questions every time
    times = []
    for number in range(ROUNDS):
        asked = ask(choice)
        if number % 2 and "order" not in asked:
            asked["after"] = _somewhere(choice)
        began = time.perf_counter()
        answer = client.get("/renders", params=asked)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
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

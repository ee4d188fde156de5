"""How long the first page of an audit takes, by what is asked for, beside the same page from the ledger alone.

The ledger is made by the database (`generate_series`): renders of ten facts from intent to stored file, 200 at a time,
50 requesters, 12 projects, 5 keys, one failure in a thousand; random event ids, which no index likes. The audit's rows
are made by its own `insert.sql`, its indexes by its own `indexes.sql`; the index of words has a prompt of 12 words of a
vocabulary of 4,000 for each render.

Each question is asked `ROUNDS` times, each time with another value; `ms` is the median of its times from the call of
`Audit.events` to its rows; `median` is that of all. The baseline is the same page from `ledger.events` by its JSON,
without any index of ours, asked once for each of a few questions (`BASELINE`). `ours` and `baseline` are the medians of
what these took, `ratio` is how many times faster ours is.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.keys import Keys, MemoryKeyStore
from ledger.recorder import PostgresRecorder
from ledger.sql import query
from projections import schemas
from projections.audit import AUDIT, Audit, Filters
from projections.inserting import Stretch, insert
from projections.port import Pool
from projections.search import Search
from tests.benchmarks.database import temporary_database
from tests.benchmarks.figures import ratio

ROUNDS = 15
PAGE_EVENTS = 20
RENDER_EVENTS = 10
FILL_EVENTS = 100_000
"""Events made in one transaction."""
WORDS = 4_000
TENANT = "acme"
_SQL = "tests.benchmarks.sql"
BASELINE = ("by requester", "by sha256", "by rule", "by cost")

Ask = Callable[[random.Random], dict[str, Any]]


def run(url: str, *, events: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Asks a ledger of `events` events; milliseconds by question, ready for JSON. `url` may create databases."""
    events -= events % RENDER_EVENTS
    with temporary_database(url) as database, open_pool(database, size_max=4) as pool:
        migrate(database, files("ledger.migrations"), schema="ledger")
        _fill(pool, events, on_progress)
        asked = {name: _times(pool, ask) for name, ask in _questions(events).items()}
        for name, times in asked.items():
            on_progress(f"{name}: {statistics.median(times):.2f} ms")
        plain = {name: _baseline(pool, name, events, on_progress) for name in BASELINE}
        sizes = _sizes(pool)
    ratios = {name: ratio(took, statistics.median(asked[name])) for name, took in plain.items()}
    every = [each for times in asked.values() for each in times]
    ours_ms, baseline_ms = (statistics.median(times) for times in _beside(asked, plain))
    return {
        "unit": "ms",
        "ours": round(ours_ms, 2),
        "baseline": round(baseline_ms, 2),
        "ratio": ratio(baseline_ms, ours_ms),
        "events": events,
        "rounds": ROUNDS,
        "questions": len(asked),
        **{name.replace(" ", "_"): round(statistics.median(times), 2) for name, times in asked.items()},
        "median": round(statistics.median(every), 2),
        "p95": round(statistics.quantiles(every, n=20)[18], 2),
        **{f"ratio_{name.replace(' ', '_')}": times for name, times in ratios.items()},
        **sizes,
    }


def _beside(asked: Mapping[str, list[float]], plain: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Of the questions that the ledger alone was asked, too: what our page took, and what that took."""
    return [statistics.median(asked[name]) for name in plain], [*plain.values()]


def _fill(pool: Pool, events: int, on_progress: Callable[[str], None]) -> None:
    recorder = PostgresRecorder(pool)
    search = Search(Ledger(recorder), Keys(b"m" * 32, MemoryKeyStore()), pool)
    search.ensure()
    with pool.connection() as connection:
        with connection.transaction():
            schemas.create(connection, AUDIT, AUDIT.schema)
        for after in range(0, events, FILL_EVENTS):
            until = min(after + FILL_EVENTS, events)
            with connection.transaction():
                connection.execute(_query("facts"), {"after": after, "until": until})
                insert(connection, AUDIT, AUDIT.schema, Stretch(after=after, until=until))
                connection.execute(_query("words"), {"after": after, "until": until, "words": WORDS})
            on_progress(f"{until:,} of {events:,} events")
        with connection.transaction():
            schemas.create_indexes(connection, AUDIT, AUDIT.schema)
        on_progress("indexed")
        connection.execute("vacuum (analyze) projection_audit.events")
        connection.execute("vacuum (analyze) projection_audit.marks")
        connection.execute("vacuum (analyze) search.texts")
        connection.execute("vacuum (analyze) ledger.events")
    recorder.close()


def _questions(events: int) -> Mapping[str, Ask]:
    """Filters and bounds of each question, with values chosen anew each time."""
    renders = events // RENDER_EVENTS
    return {
        "everything": lambda _: {},
        "by video": lambda choice: {"video_id": _video(choice.randrange(renders))},
        "by stream": lambda choice: {"stream": f"render:{TENANT}:{choice.randrange(renders):032x}"},
        "by job": lambda choice: {"job_id": f"job_{choice.randrange(renders)}"},
        "by project": lambda choice: {"project": f"project-{choice.randrange(12)}"},
        "by requester": lambda choice: {"requester": f"requester-{choice.randrange(50)}"},
        "by actor": lambda choice: {"actor": f"key_{choice.randrange(5)}"},
        "by type": lambda choice: {"type": choice.choice(["render.intent", "render.stored", "spend.settled"])},
        "by rare type": lambda _: {"type": "render.failed"},
        "by rule": lambda choice: {"rule": f"rule-{choice.randrange(20)}"},
        "by rare rule": lambda _: {"rule": "rule-rare"},
        "by trace": lambda choice: {"trace": f"{choice.randrange(renders):032x}"},
        "by sha256": lambda choice: {"sha256": f"{choice.randrange(renders):064x}"},
        "by storage uri": lambda choice: {"storage_uri": f"file:///assets/{choice.randrange(renders):064x}"},
        "by cost": lambda choice: {"cost_micro_min": 1_000_000 - choice.randrange(10)},
        "by time or position": lambda choice: {"after": choice.randrange(events), "before": events},
        "by requester and type": lambda choice: {
            "requester": f"requester-{choice.randrange(50)}",
            "type": "render.stored",
        },
        "by project and type and position": lambda choice: {
            "project": f"project-{choice.randrange(12)}",
            "type": "render.stored",
            "before": choice.randrange(events // 2, events),
        },
        "by actor and rule": lambda choice: {"actor": f"key_{choice.randrange(5)}", "rule": "rule-3"},
        "by rare type and project": lambda choice: {
            "type": "render.failed",
            "project": f"project-{choice.randrange(12)}",
        },
        "by what there is not": lambda choice: {"requester": f"nobody-{choice.randrange(99)}", "type": "render.intent"},
        "by a word": lambda choice: {"text": f"word{choice.randrange(WORDS)}"},
        "by two words": lambda choice: {"text": f"word{choice.randrange(WORDS)} word{choice.randrange(WORDS)}"},
        "by a word and project": lambda choice: {
            "text": f"word{choice.randrange(WORDS)}",
            "project": f"project-{choice.randrange(12)}",
        },
    }


def _times(pool: Pool, ask: Ask) -> list[float]:
    """Milliseconds of each round, the last recorded first."""
    audit, choice = Audit(pool), random.Random(1)  # noqa: S311 - the same questions every time
    times = []
    for _ in range(ROUNDS):
        asked = ask(choice)
        bounds = {name: asked.pop(name) for name in ("after", "before") if name in asked}
        began = time.perf_counter()
        audit.events(TENANT, Filters(**asked), limit=PAGE_EVENTS + 1, order="desc", **bounds)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _baseline(pool: Pool, name: str, events: int, on_progress: Callable[[str], None]) -> float:
    """Milliseconds of the same page from the ledger's own rows."""
    asked = _questions(events)[name](random.Random(1))  # noqa: S311 - as above
    values = {each: asked.get(each) for each in ("requester", "sha256", "rule", "cost_micro_min")}
    with pool.connection() as connection:
        began = time.perf_counter()
        connection.execute(
            _query("plain_page"), {"tenant": TENANT, "limit": PAGE_EVENTS + 1, **values}, prepare=False
        ).fetchall()
        took_ms = (time.perf_counter() - began) * 1000
    on_progress(f"{name} from the ledger alone: {took_ms:,.0f} ms")
    return took_ms


def _sizes(pool: Pool) -> dict[str, int]:
    with pool.connection() as connection:
        return {
            f"{name}_mib": _mib(connection, table)
            for name, table in (
                ("ledger", "ledger.events"),
                ("audit", "projection_audit.events"),
                ("marks", "projection_audit.marks"),
                ("words", "search.texts"),
            )
        }


def _mib(connection: Connection[TupleRow], table: str) -> int:
    row = connection.execute("select pg_total_relation_size(%s::regclass) / (1024 * 1024)", (table,)).fetchone()
    assert row is not None
    return int(row[0])


def _video(render: int) -> str:
    return f"video_{render:032x}"


def _query(name: str) -> Any:
    return query(name, _SQL)

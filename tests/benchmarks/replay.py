"""How many events a second the projections are rebuilt at, beside the library's stock `ProjectionRunner` and raw COPY.

All in one run, in a database made for it, on one ledger of realistic histories. Short rounds alternate, so that a
neighbour on the machine slows all alike, and medians are compared.

- `ours_all`, `ours_videos`: a whole `Rebuild.rebuild()`, from the lock to the swap, indexes included. Only the events a
  projection reads are counted: all of them with the audit, those of renders for the videos alone.
- `copy`: every row of `ledger.events` by COPY in binary form, the faster one, read and thrown away.
- `follow`: a projector that begins at the ledger's first events (`follow_sample_events`), batch by batch, every read
  model's tables indexed as they are when a server is up.
- `stock`: a live `ProjectionRunner` with all the server's read models on the ledger's first events
  (`stock_sample_events`), saved with the library's own recorder. `stock.py` says exactly what it does and why that is
  fair.
"""

import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files
from itertools import islice
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.mapper import FactMapper
from ledger.recorder import PostgresRecorder
from projections import schemas
from projections.port import Pool
from projections.projector import Projector
from projections.rebuild import Rebuild
from tests.benchmarks.database import temporary_database
from tests.benchmarks.figures import ratio
from tests.benchmarks.histories import events_of_renders
from tests.benchmarks.stock import PROJECTIONS, save_stock_sample, stock_seconds

ROUNDS = 3
ROUNDS_EVENTS_MAX = 2_000_000
"""A larger ledger is replayed once: one round is long enough to be steady."""
POOL_CONNECTIONS_MAX = 4
FOLLOW_EVENTS = 20_000
APPEND_US = 2_000
"""How long after it occurred a fact is recorded, at least, in microseconds: a reader that keeps one moment does not
have the other by that."""


def run(url: str, *, events: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Replays `events` events; events a second by name, ready for JSON. `url` may create databases."""
    rounds = ROUNDS if events <= ROUNDS_EVENTS_MAX else 1
    rates: dict[str, list[float]] = defaultdict(list)
    with temporary_database(url) as database, filled_ledger(database, events, on_progress) as (ledger, pool):
        sample = save_stock_sample(database, ledger)
        measures = _measures(database, ledger, pool, events, sample)
        for turn in range(1, rounds + 1):
            for name, measure in measures.items():
                rates[name].append(measure())
                on_progress(f"round {turn}/{rounds}: {name}: {rates[name][-1]:,.0f} events/s")
    medians = {name: round(statistics.median(measured)) for name, measured in rates.items()}
    return {
        "unit": "events/s",
        "events": events,
        "rounds": rounds,
        "stock_sample_events": sample,
        **medians,
        "follow_sample_events": min(events, FOLLOW_EVENTS),
        "ratio_stock": ratio(medians["ours_all"], medians["stock"]),
        "ratio_stock_follow": ratio(medians["follow"], medians["stock"]),
        "ratio_copy": ratio(medians["ours_videos"], medians["copy"]),
        "peak_rss_mib": round(_peak_rss_mib() + _peak_rss_mib(resource.RUSAGE_CHILDREN), 1),
    }


def _measures(database: str, ledger: Ledger, pool: Pool, events: int, sample: int) -> dict[str, Callable[[], float]]:
    rebuild = Rebuild(ledger, pool, PROJECTIONS)
    renders = _count_renders(pool)
    return {
        "ours_all": lambda: events / _seconds(rebuild.rebuild),
        "ours_videos": lambda: renders / _seconds(lambda: rebuild.rebuild("videos")),
        "follow": lambda: _follow_rate(ledger, pool, min(events, FOLLOW_EVENTS)),
        "copy": lambda: events / _seconds(lambda: _copy_out(pool)),
        "stock": lambda: sample / stock_seconds(database, sample),
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def _follow_rate(ledger: Ledger, pool: Pool, events: int) -> float:
    """Events a second that a projector takes in which has nothing yet."""
    projector = Projector(ledger, pool, PROJECTIONS)
    with pool.connection() as connection:
        for projection in PROJECTIONS:
            schemas.drop(connection, projection.schema)
    projector.ensure()
    return events / _seconds(lambda: projector.catch_up(until=events))


def _count_renders(pool: Pool) -> int:
    with pool.connection() as connection:
        row = connection.execute("select count(*) from ledger.events where stream like 'render:%'").fetchone()
    assert row is not None
    return int(row[0])


def _copy_out(pool: Pool) -> None:
    statement = "copy ledger.events to stdout (format binary)"
    with pool.connection() as connection, connection.cursor() as cursor, cursor.copy(statement) as source:
        while source.read():
            pass


def _peak_rss_mib(who: int = resource.RUSAGE_SELF) -> float:
    """The most memory this process has had, or the largest of those it started, in MiB."""
    peak = resource.getrusage(who).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


@contextmanager
def filled_ledger(url: str, events: int, on_progress: Callable[[str], None]) -> Iterator[tuple[Ledger, Pool]]:
    """A ledger of `events` events beside empty projections, and the pool to both."""
    migrate(url, files("ledger.migrations"), schema="ledger")
    with open_pool(url, size_max=POOL_CONNECTIONS_MAX) as pool:
        with pool.connection() as connection:
            taken_s = _seconds(lambda: _copy_in(connection, events))
        on_progress(f"{events:,} events written in {taken_s:.1f} s")
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder)
        Projector(ledger, pool, PROJECTIONS).ensure()
        yield ledger, pool
        recorder.close()


def _copy_in(connection: Connection[TupleRow], events: int) -> None:
    """Writes what `ledger.append` would have, much faster. Only on a ledger that nobody else writes."""
    mapper = FactMapper()
    with connection.cursor() as cursor, cursor.copy("copy ledger.events from stdin") as target:
        for position, event in enumerate(islice(events_of_renders(), events), start=1):
            row = mapper.to_stored_event(event)
            context = event.context
            target.write_row(
                (
                    position,
                    event.stream,
                    event.version,
                    row.topic,
                    event.event_id,
                    context.occurred_at + timedelta(microseconds=APPEND_US + position % 997),
                    context.occurred_at,
                    context.tenant,
                    context.actor,
                    context.correlation,
                    context.causation,
                    context.trace,
                    row.state,
                )
            )
    connection.execute("vacuum (analyze) ledger.events")  # else the first to read would pay for it

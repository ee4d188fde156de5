"""The tables that the database fills by itself, while the others are filled from a replay."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.payloads import ReadPayload
from projections import schemas
from projections.errors import RebuildRefused, UnprojectableEvent
from projections.inserting import Stretch, insert
from projections.port import Pool, Projection

INSERT_EVENTS_MAX = 20_000
"""Events of which the database makes rows in one transaction."""
STRETCH_MEMORY = "64MB"
"""What the server may use for the events of a stretch, before it writes them to disk to read them again."""
INDEX_MEMORY = "256MB"
"""What the server may use to sort a table for an index."""


@contextmanager
def filled_beside(
    pool: Pool, projections: Sequence[Projection], *, until: int, payloads: ReadPayload
) -> Iterator[None]:
    """Fills and indexes the next schemas of the projections that are made in SQL, in a thread with its own connection.

    The block ends when they are filled up to position `until`, or is left early with its own error. Raises
    RebuildRefused, naming the event of which the database makes no row.
    """
    in_database = [each for each in projections if each.rows is None]
    stop = Event()
    with pool.connection() as connection, ThreadPoolExecutor(1) as thread:
        filled = thread.submit(_fill, connection, in_database, until, stop, payloads)
        try:
            yield
        except BaseException:
            stop.set()
            connection.cancel_safe()
            raise
        filled.result()


def _fill(
    connection: Connection[TupleRow],
    projections: Sequence[Projection],
    until: int,
    stop: Event,
    payloads: ReadPayload,
) -> None:
    for projection in projections:
        for after in range(0, until, INSERT_EVENTS_MAX):
            if stop.is_set():
                return
            stretch = Stretch(after=after, until=min(after + INSERT_EVENTS_MAX, until))
            try:
                with connection.transaction():
                    connection.execute("select set_config('work_mem', %s, true)", (STRETCH_MEMORY,))
                    insert(connection, projection, projection.next_schema, stretch, payloads)
            except UnprojectableEvent as error:
                raise RebuildRefused(projection.name, error.stream, error) from error
        index(connection, projection)


def index(connection: Connection[TupleRow], projection: Projection) -> None:
    """Makes the indexes of a next schema that is filled."""
    with connection.transaction():
        connection.execute("select set_config('maintenance_work_mem', %s, true)", (INDEX_MEMORY,))
        schemas.create_indexes(connection, projection, projection.next_schema)

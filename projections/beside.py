"""The tables that the database fills by itself, while the others are filled from a replay.

Two connections share the stretches, since the database takes longer than Python: when the replay is done, both cores
are the database's.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.payloads import ReadPayload
from projections.errors import RebuildRefused, UnprojectableEvent
from projections.indexing import index
from projections.inserting import Stretch, insert
from projections.port import Pool, Projection

CONNECTIONS = 2
INSERT_EVENTS_MAX = 20_000
"""Events of which the database makes rows in one transaction."""
STRETCH_MEMORY = "64MB"
"""What the server may use for the events of a stretch, before it writes them to disk to read them again."""


@contextmanager
def filled_beside(
    pool: Pool, projections: Sequence[Projection], *, until: int, payloads: ReadPayload
) -> Iterator[None]:
    """Fills and indexes the next schemas of the projections that are made in SQL, in threads with their connections.

    The block ends when they are filled up to position `until`, or is left early with its own error. Raises
    RebuildRefused, naming the event of which the database makes no row.
    """
    in_database = [each for each in projections if each.rows is None]
    stop = Event()
    with ExitStack() as stack:
        connections = [stack.enter_context(pool.connection()) for _ in range(CONNECTIONS if in_database else 0)]
        thread = stack.enter_context(ThreadPoolExecutor(1))
        filled = thread.submit(_fill_all, connections, in_database, until, stop, payloads)
        try:
            yield
        except BaseException:
            stop.set()
            for connection in connections:
                connection.cancel_safe()
            raise
        filled.result()


def _fill_all(
    connections: Sequence[Connection[TupleRow]],
    projections: Sequence[Projection],
    until: int,
    stop: Event,
    payloads: ReadPayload,
) -> None:
    begins = range(0, until, INSERT_EVENTS_MAX)
    stretches = [Stretch(after=after, until=min(after + INSERT_EVENTS_MAX, until)) for after in begins]
    shares = [stretches[number::CONNECTIONS] for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for projection in projections:
            parts = [
                threads.submit(_fill, connection, projection, share, stop, payloads)
                for connection, share in zip(connections, shares, strict=True)
            ]
            for part in parts:
                part.result()
            index(connections, projection, stop)


def _fill(
    connection: Connection[TupleRow],
    projection: Projection,
    stretches: Sequence[Stretch],
    stop: Event,
    payloads: ReadPayload,
) -> None:
    """Makes the rows of these stretches. A failure stops the others, too."""
    for stretch in stretches:
        if stop.is_set():
            return
        try:
            with connection.transaction():
                # Payloads of closed segments are read in between, for as long as that takes; nobody waits for this. Nor
                # need it be on disk before the swap is: the log of writes goes there in its order.
                connection.execute(
                    "select set_config('work_mem', %s, true), set_config('synchronous_commit', 'off', true), "
                    "set_config('idle_in_transaction_session_timeout', '0', true)",
                    (STRETCH_MEMORY,),
                )
                insert(connection, projection, projection.next_schema, stretch, payloads)
        except BaseException as error:
            stop.set()
            if isinstance(error, UnprojectableEvent):
                raise RebuildRefused(projection.name, error.stream, error) from error
            raise

"""Indexes of tables that are filled: several at a time on connections of their own, each made by one process.

The server would make one after the other with workers of its own, which takes an eighth more processor time (measured)
and leaves a core idle while their parts are merged.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from projections import schemas
from projections.port import Projection

INDEX_MEMORY = "128MB"
"""What each connection may use to sort a table for an index."""

_SETTINGS = """
select set_config('maintenance_work_mem', %s, true), set_config('max_parallel_maintenance_workers', '0', true),
       set_config('synchronous_commit', 'off', true)
"""


def index(connections: Sequence[Connection[TupleRow]], projection: Projection, stop: Event) -> None:
    """Makes the indexes of a next schema that is filled, or leaves them when `stop` is set."""
    together, then = schemas.index_statements(projection)
    waiting = deque(together)
    with ThreadPoolExecutor(len(connections)) as threads:
        parts = [threads.submit(_make, connection, projection, waiting, stop) for connection in connections]
        for part in parts:
            part.result()
    _make(connections[0], projection, deque(then), stop)
    with connections[0].transaction():
        schemas.leave_to_server(connections[0], projection, projection.next_schema)


def _make(connection: Connection[TupleRow], projection: Projection, waiting: deque[LiteralString], stop: Event) -> None:
    """One after the other until none is waiting. A failure leaves the others unmade."""
    while waiting and not stop.is_set():
        try:
            statement = waiting.popleft()
        except IndexError:  # somebody else took it
            return
        try:
            with connection.transaction(), schemas.writing_in(connection, projection.next_schema):
                connection.execute(_SETTINGS, (INDEX_MEMORY,))
                connection.execute(statement)
        except BaseException:
            waiting.clear()
            raise

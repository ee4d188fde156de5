"""How long a database may say nothing to whoever waits for its answer.

A server that hangs while its machine lives is not noticed by the network (`ledger.keepalives`): what it is sent is
confirmed, and nobody reads it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import Connection
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from ledger.keepalives import UNANSWERED_S, noticing

SILENCE_S_MAX = UNANSWERED_S
"""How long a statement of a server or worker is waited for without a sign, in seconds: as long as a lost machine."""
LOOK_S = 0.1
"""How often a wait is looked up from, in seconds; psycopg's own pause."""

Answer = TypeVar("Answer")


class Silent(psycopg.OperationalError):
    """The database said nothing for as long as was waited."""


class HeedfulConnection(Connection[TupleRow]):
    """A connection that can be told how long it may be silent; it is closed then, since its answer may still come."""

    silence_s_max: float | None = None
    """None: for ever, as long as work may take, such as making an index."""

    def wait(self, gen: PQGen[Answer], interval: float = LOOK_S, *more: Any, **named: Any) -> Answer:
        """What psycopg waits for. Raises Silent, and psycopg.OperationalError for a connection that ended meanwhile."""
        heeded = gen if self.silence_s_max is None else self._heeded(gen, interval)
        try:
            return super().wait(heeded, interval, *more, **named)
        except psycopg.InternalError as error:
            # To a COMMIT a pooler answers with the server's last words and its own, of which psycopg says that it wants
            # one answer. An error of the server has an SQLSTATE.
            if error.sqlstate is None and self.broken:
                raise psycopg.OperationalError("the connection ended") from error
            raise

    def _heeded(self, gen: PQGen[Answer], interval: float) -> PQGen[Answer]:
        """The same steps. Looks are counted and not the time: a process that was paused has not waited meanwhile."""
        looks = 0
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                looks = 0 if ready else looks + 1
                if self.silence_s_max is not None and looks * interval >= self.silence_s_max:
                    self.pgconn.finish()
                    raise Silent(f"the database says nothing for {self.silence_s_max:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            answer: Answer = done.value
            return answer


def connect(address: str, *, silence_s_max: float = SILENCE_S_MAX) -> HeedfulConnection:
    """A connection of one's own in autocommit mode, told how long it may be silent. Raises psycopg.OperationalError."""
    connection = HeedfulConnection.connect(noticing(address), autocommit=True)
    connection.silence_s_max = silence_s_max
    return connection


@contextmanager
def answered_within(connection: Connection[TupleRow], silence_s_max: float | None) -> Iterator[None]:
    """Within the block it is waited for so long; None: for ever, as for one that is not of `open_pool`."""
    if not isinstance(connection, HeedfulConnection):
        yield
        return
    before, connection.silence_s_max = connection.silence_s_max, silence_s_max
    try:
        yield
    finally:
        connection.silence_s_max = before

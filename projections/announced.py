"""How far those who want to be told have been told, and whose turn it is to go on.

One row, in a small operational table beside the leases. What was told is in the ledger: a position that is behind makes
somebody look again at what was told already, and no more.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.sql import query
from projections.connections import reading
from projections.leases import CLAIM_LOCK
from projections.port import Pool

_SQL = "projections.sql.announced"
_NAME = "endpoints"


class Turn:
    """The right to go on, until the end of the block it was given in."""

    def __init__(self, connection: Connection[TupleRow], position: int) -> None:
        self._connection = connection
        self.position = position
        """Everything up to here was looked at."""

    def move(self, position: int) -> None:
        """Says that everything up to `position` was looked at. Kept when the block ends without an error."""
        self._connection.execute(query("move", _SQL), {"name": _NAME, "position": position})
        self.position = position


class Announced:
    """The position of the one follower. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ensure(self, head: int) -> None:
        """Makes the table unless it is there. The first time, everything up to the ledger's `head` counts as told.

        Endpoints know nothing of what was before them, and a release that can tell must not begin with all history.
        """
        with reading(self._pool) as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))
            connection.execute(query("schema", _SQL))
            connection.execute(query("begin", _SQL), {"name": _NAME, "position": head})

    def skip_to(self, position: int) -> None:
        """Says that everything up to `position` was told elsewhere: it came from another database."""
        with reading(self._pool) as connection:
            connection.execute(query("move", _SQL), {"name": _NAME, "position": position})

    @contextmanager
    def turn(self) -> Iterator[Turn | None]:
        """The turn, held to the end of the block; None while another process has it.

        A process that dies gives it back with its connection, and what it did not keep is done again.
        """
        with reading(self._pool) as connection, connection.transaction():
            row = connection.execute(query("take", _SQL), {"name": _NAME}).fetchone()
            yield Turn(connection, row[0]) if row else None

"""Whether a connection has a session of PostgreSQL for itself: a pooler in between may give it another each time."""

from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.database.errors import SessionsSharedError
from ledger.silence import connect

LOOKS = 10
"""How often two connections are asked for their sessions before each is believed to have its own."""


def is_pooled(connection: Connection[TupleRow]) -> bool:
    """Whether something stands in between: a session's process id is said at its start, and can be asked for."""
    return connection.info.backend_pid != _session(connection)


def require_own_session(connection: Connection[TupleRow], address: str) -> None:
    """Costs one question where nothing stands in between, else a second connection to `address`.

    Raises:
        SessionsSharedError: transactions of these two go through one session, or those of one through several. Locks
            of a session would be left behind in somebody else's, where the next migration waits for them for ever.
    """
    if not is_pooled(connection):
        return
    with connect(address) as another:
        if _share(connection, another):
            raise SessionsSharedError(
                "A pooler in between gives each transaction another session, and notifications and session locks get "
                "lost. Set pool_mode = session for this database, or name the server itself in BICKFORD_DATABASE_URL."
            )


def _share(connection: Connection[TupleRow], another: Connection[TupleRow]) -> bool:
    """An idle pooler of transactions gives whoever comes what was used last, or goes round; a busy one, any."""
    sessions = [(_session(connection), _session(another)) for _ in range(LOOKS)]
    ours, theirs = ({*each} for each in zip(*sessions, strict=True))
    return len(ours) > 1 or len(theirs) > 1 or ours == theirs


def _session(connection: Connection[TupleRow]) -> int:
    row = connection.execute("select pg_backend_pid()", prepare=False).fetchone()
    assert row is not None  # noqa: S101 - it selects one value
    return int(row[0])

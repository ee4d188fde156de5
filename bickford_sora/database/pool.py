"""The connection pool."""

import time
from weakref import WeakKeyDictionary

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ledger.keepalives import KEEPALIVES

APPLICATION_NAME = "bickford-sora"
LOCK_TIMEOUT_S = 10.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 5.0
"""How long others wait, in seconds, for what a process holds that was paused, or whose machine lost its power.

It is cut off, its transaction is undone, and when it wakes up it finds that out. Work that pauses for longer in a
transaction, such as an export to a slow reader, holds nothing and says so for itself.
"""
CHECKOUT_TIMEOUT_S = 10.0
"""How long a request waits for a database that is away, in seconds: a failover within it costs no error."""
ASKED_S = 1.0
"""How long after a connection has answered it is not asked again whether it lives, in seconds."""


def open_pool(
    url: str,
    *,
    size_max: int,
    size_min: int = 1,
    application_name: str = APPLICATION_NAME,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    idle_in_transaction_timeout_s: float = IDLE_IN_TRANSACTION_TIMEOUT_S,
    checkout_timeout_s: float = CHECKOUT_TIMEOUT_S,
) -> ConnectionPool[Connection[TupleRow]]:
    """Return an open pool of autocommit connections; the caller closes it.

    `url` reaches libpq whole, so sslmode, several hosts and target_session_attrs mean what libpq says they mean. Every
    connection is checked when it is taken out: a restarted server costs a reconnect and not an error. The pool opens
    without waiting for the server.

    Args:
        url: a libpq URI or key=value string.
        size_max: the largest number of connections.
        size_min: the number of connections kept open.
        application_name: shown in pg_stat_activity.
        lock_timeout_s: how long a statement waits for a lock before PostgreSQL refuses it (SQLSTATE 55P03).
        idle_in_transaction_timeout_s: after that long PostgreSQL ends a connection that forgot its transaction.
        checkout_timeout_s: how long a caller waits for a connection before psycopg_pool.PoolTimeout.

    Raises:
        ValueError: the sizes do not fit together.
    """

    def configure(connection: Connection[TupleRow]) -> None:
        # By SET and not through the URL's `options`, which the URL may use itself and poolers like PgBouncer refuse.
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false), "
            "set_config('idle_in_transaction_session_timeout', %s, false), " + KEEPALIVES,
            (_milliseconds(lock_timeout_s), _milliseconds(idle_in_transaction_timeout_s)),
        )

    return ConnectionPool(
        url,
        min_size=size_min,
        max_size=size_max,
        timeout=checkout_timeout_s,
        kwargs={"autocommit": True, "application_name": application_name},
        configure=configure,
        check=_Checks().check,
        name=application_name,
        open=True,
    )


class _Checks:
    """Whether connections live. Safe to use from several threads: each has its connection for itself."""

    def __init__(self) -> None:
        self._asked: WeakKeyDictionary[Connection[TupleRow], float] = WeakKeyDictionary()
        """When each was asked last, in monotonic seconds."""

    def check(self, connection: Connection[TupleRow]) -> None:
        """Raises psycopg.OperationalError when the server has gone.

        One that leaves says so, and what it said is here already: only after a while is a connection asked, which costs
        as much as a small query, and finds the machine that lost its power.
        """
        connection.pgconn.consume_input()  # what it said
        connection.pgconn.consume_input()  # the end behind it
        now = time.monotonic()
        if now - self._asked.get(connection, -ASKED_S) >= ASKED_S:
            ConnectionPool.check_connection(connection)
            self._asked[connection] = now


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"

"""The connection pool."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self
from weakref import WeakKeyDictionary

import structlog
from psycopg import Connection, OperationalError
from psycopg.errors import InvalidParameterValue
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ledger.keepalives import CONNECT_TIMEOUT_S, KEEPALIVES, noticing
from ledger.silence import HeedfulConnection, answered_within

APPLICATION_NAME = "bickford-sora"
CLIENT_LOOK = "5s"
"""How often a server that computes looks whether its client is still there: what was given up ends soon."""
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
RETRY_FIRST_S = 0.05
"""Pause before a server that is away is tried again, in seconds; it doubles with each try."""
RETRY_MAX_S = 0.4
"""Longest such pause, in seconds: so much later than the server may its clients be back."""
AWAY_LONG_S = 30.0
"""From when on a server is not expected back at any moment, in seconds; or it refuses us, and goes on to do so."""
RETRY_LONG_MAX_S = 5.0
"""Longest pause from then on, in seconds."""

_log = structlog.get_logger(__name__)


def open_pool(
    url: str,
    *,
    size_max: int,
    size_min: int = 1,
    application_name: str = APPLICATION_NAME,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    idle_in_transaction_timeout_s: float = IDLE_IN_TRANSACTION_TIMEOUT_S,
    checkout_timeout_s: float = CHECKOUT_TIMEOUT_S,
    silence_s_max: float | None = None,
    look: Callable[[Connection[TupleRow]], None] = lambda _connection: None,
) -> ConnectionPool[Connection[TupleRow]]:
    """Return an open pool of autocommit connections; the caller closes it.

    `url` reaches libpq whole, so sslmode, several hosts and target_session_attrs mean what libpq says they mean. Every
    connection is checked when it is taken out: a restarted server costs a reconnect and not an error. A server that is
    away is tried for as long as the pool is open, and one whose machine is lost is taken for away after seconds
    (`ledger.keepalives`). The pool opens without waiting for it.

    Args:
        url: a libpq URI or key=value string.
        size_max: the largest number of connections.
        size_min: the number of connections kept open.
        application_name: shown in pg_stat_activity.
        lock_timeout_s: how long a statement waits for a lock before PostgreSQL refuses it (SQLSTATE 55P03).
        idle_in_transaction_timeout_s: after that long PostgreSQL ends a connection that forgot its transaction.
        checkout_timeout_s: how long a caller waits for a connection before psycopg_pool.PoolTimeout.
        look: looks at each new connection before anybody has it, and again whenever it is asked whether it lives. One
            for which it raises psycopg.OperationalError is closed, and the next one tried after the pool's own pauses.
        silence_s_max: how long a statement is waited for without a sign of the server before psycopg.OperationalError;
            None: as long as it takes. An append is not such a statement: `ledger.committer` waits for its answer.

    Raises:
        ValueError: the sizes do not fit together.
    """
    checks = _Checks(look)

    def configure(connection: Connection[TupleRow]) -> None:
        # By SET and not through the URL's `options`, which the URL may use itself and poolers like PgBouncer refuse.
        with answered_within(connection, CONNECT_TIMEOUT_S):
            connection.execute(
                # To compile a query takes longer than any of ours does: a quarter of a rebuild, where a server can.
                "SELECT set_config('jit', 'off', false), set_config('lock_timeout', %s, false), "
                "set_config('idle_in_transaction_session_timeout', %s, false), " + KEEPALIVES,
                (_milliseconds(lock_timeout_s), _milliseconds(idle_in_transaction_timeout_s)),
            )
            with suppress(InvalidParameterValue):  # a server's system may not be able to tell
                connection.execute("SELECT set_config('client_connection_check_interval', %s, false)", (CLIENT_LOOK,))
            look(connection)
        checks.opened(connection)

    def check(connection: Connection[TupleRow]) -> None:
        try:
            checks.check(connection)
        except OperationalError:
            # The others are likely broken too. Met one by one, each would make its caller sleep longer than the one
            # before: 1 s, 2 s, 4 s. Those that wait for new ones do not sleep.
            if checks.first_lost(connection):
                pool.drain()
            raise

    pool: ConnectionPool[Connection[TupleRow]] = ConnectionPool(
        noticing(url),
        connection_class=_Patient,
        min_size=size_min,
        max_size=size_max,
        timeout=checkout_timeout_s,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "is_wanted": lambda: not pool.closed,
            "silence_s_max": silence_s_max,
        },
        configure=configure,
        check=check,
        name=application_name,
        open=False,
    )
    pool.open()
    return pool


class _Patient(HeedfulConnection):
    """A connection to a server that may be away.

    A pool's own pauses between tries begin at 1 s and double for five minutes, so that its callers would be back long
    after the server.
    """

    @classmethod
    def connect(  # type: ignore[override] # two arguments more
        cls, conninfo: str = "", *, is_wanted: Callable[[], bool], silence_s_max: float | None, **given: Any
    ) -> Self:
        """Tries until there is a connection. Raises psycopg.OperationalError when none is wanted any more."""
        pause_s, began = RETRY_FIRST_S, time.monotonic()
        while True:
            try:
                connection = super().connect(conninfo, **given)
            except OperationalError as error:
                if pause_s == RETRY_FIRST_S:
                    _log.warning("database_away", error=str(error))
                if not is_wanted():
                    raise
            else:
                if pause_s > RETRY_FIRST_S:
                    _log.info("database_back", after_s=round(time.monotonic() - began, 2))
                connection.silence_s_max = silence_s_max
                return connection
            time.sleep(pause_s)
            is_long = time.monotonic() - began > AWAY_LONG_S
            pause_s = min(pause_s * 2, RETRY_LONG_MAX_S if is_long else RETRY_MAX_S)


class _Checks:
    """Whether connections live. Safe to use from several threads: each has its connection for itself."""

    def __init__(self, look: Callable[[Connection[TupleRow]], None]) -> None:
        self._look = look
        self._asked: WeakKeyDictionary[Connection[TupleRow], float] = WeakKeyDictionary()
        """When each was asked last, in monotonic seconds."""
        self._opened: WeakKeyDictionary[Connection[TupleRow], float] = WeakKeyDictionary()
        """When each was opened, in monotonic seconds."""
        self._lost_at = 0.0

    def opened(self, connection: Connection[TupleRow]) -> None:
        """A new connection."""
        self._opened[connection] = time.monotonic()

    def check(self, connection: Connection[TupleRow]) -> None:
        """Raises psycopg.OperationalError when the server has gone.

        One that leaves says so, and what it said is here already: only after a while is a connection asked, which costs
        as much as a small query, and finds the machine that lost its power.
        """
        connection.pgconn.consume_input()  # what it said
        connection.pgconn.consume_input()  # the end behind it
        now = time.monotonic()
        if now - self._asked.get(connection, -ASKED_S) >= ASKED_S:
            with answered_within(connection, CONNECT_TIMEOUT_S):  # as long as a new one would be waited for
                ConnectionPool.check_connection(connection)
                self._look(connection)
            self._asked[connection] = now

    def first_lost(self, connection: Connection[TupleRow]) -> bool:
        """Whether this is the first lost one of those that were open together."""
        is_first = self._opened[connection] > self._lost_at
        if is_first:
            self._lost_at = time.monotonic()
        return is_first


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"

"""Sends batches of decisions to `ledger.append`, over one connection that is kept: from a thread or an event loop."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Sequence
from datetime import datetime
from socket import SHUT_RDWR, socket

import psycopg
from psycopg import Connection, generators
from psycopg.errors import (
    DuplicatePreparedStatement,
    InternalError_,
    InvalidSqlStatementName,
    ReadOnlySqlTransaction,
    error_from_result,
)
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from ledger.committer import Answer, ConnectionBroken
from ledger.envelope import Appended
from ledger.errors import Conflict, LedgerError, Refused, Unavailable
from ledger.sql import query
from ledger.wire import Encoded, RecordTypes, append_arguments, read_outcome

Outcome = tuple[str, int | None, datetime | None]
"""What `ledger.append` says of a decision: the outcome's name, and the first position and its time if there is one."""

Pool = ConnectionPool[Connection[TupleRow]]
"""A pool of connections in autocommit mode."""

_STATEMENT = b"ledger_append_records"
"""The prepared statement's name: always the same, so that a connection that is taken again and again has one."""
_BINARY = [Format.BINARY, Format.BINARY]
"""The formats of its two arguments."""
_LOOK_S = 1.0
"""How often psycopg looks up from a wait. At its default of 0 it goes round and round until the answer is there."""
_NOT_NOW = frozenset({"40", "53", "55", "57", "58"})
"""SQLSTATE classes that say nothing about the events: a rollback, no resources, a lock not had in time, an operator's
act, a failing disk."""
_GOING_DOWN = frozenset({"57P01", "57P02", "57P03"})
"""The server, or only this connection, is being shut down: its last message, before the connection is seen broken."""


class _Line:
    """A connection of the pool that appends, kept until it breaks or `close`.

    To check a connection out for each batch would cost as much again as the append. Used for one batch at a time.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection[TupleRow] | None = None
        self._types = RecordTypes(0, 0)
        """What the database calls the records; known once there is a connection."""

    def close(self) -> None:
        """Gives the connection back."""
        self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give_back(connection)

    def _drop(self, connection: Connection[TupleRow]) -> None:
        """Has nobody use it any more: the pool opens another in its place."""
        connection.close()
        self._let_go()

    def _give_back(self, connection: Connection[TupleRow]) -> None:
        with contextlib.suppress(PoolClosed):
            self._pool.putconn(connection)

    def _taken(self) -> Connection[TupleRow]:
        """A connection that can append. Raises Unavailable, ConnectionBroken or Refused where there is none."""
        try:
            connection = self._pool.getconn()
        except (PoolTimeout, PoolClosed) as error:
            raise Unavailable("no connection to the ledger's database could be had") from error
        try:
            self._types = _prepare(connection.pgconn)
        except psycopg.Error as error:
            cause = self._cause(error, connection)
            self._give_back(connection)
            raise cause from error
        return connection

    def _cause(self, error: psycopg.Error, connection: Connection[TupleRow]) -> Exception:
        """What the database's error means for the batch."""
        # Without an SQLSTATE it is libpq that speaks, not the server: the connection died in the middle of a call.
        if connection.broken or connection.closed or error.sqlstate is None or error.sqlstate in _GOING_DOWN:
            self._let_go()
            # The others are likely broken too, and those that nobody uses are replaced now: to be asked first, each of
            # them would take as long as it takes to find that a machine is lost.
            self._pool.drain()
            return ConnectionBroken(type(error).__name__)
        if isinstance(error, InvalidSqlStatementName):
            self._let_go()  # a pooler put another session behind the connection; nothing was written
            return ConnectionBroken(type(error).__name__)
        if isinstance(error, ReadOnlySqlTransaction):
            self._drop(connection)  # after a failover the next one may reach the primary, and is looked at as a new one
            return Unavailable("the database is read-only; writes go to the primary")
        if (error.sqlstate or "")[:2] in _NOT_NOW:
            return Unavailable(f"the database cannot append now: {type(error).__name__}")
        if isinstance(error, InternalError_):
            # A restore in place gives the records' types other oids, and the session's statement keeps the old ones.
            self._drop(connection)
        # Only the SQLSTATE: the server's text may quote the data that was sent.
        return Refused(f"the database refused the append: {type(error).__name__} ({error.sqlstate})")


class Sender(_Line):
    """Sends from a thread, which waits for the answer."""

    def send(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        """One answer for each decision, in their order. Raises what `ledger.committer.Send` says.

        One call into libpq, without the interpreter's lock from the first byte sent to the last one read. Whatever
        takes the lock back at steps of the exchange waits for it, each time, behind those who encode the next batch.
        """
        if self._connection is None:
            self._connection = self._taken()
        connection = self._connection
        arguments = append_arguments(batch, self._types)
        try:
            return _answers(batch, connection.pgconn.exec_prepared(_STATEMENT, arguments, _BINARY, Format.BINARY))
        except psycopg.Error as error:
            raise self._cause(error, connection) from error

    def give_up(self) -> None:
        """Ends the connection on which `send` waits in another thread, which raises ConnectionBroken there.

        libpq itself waits for ever for a server that hangs.
        """
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError, psycopg.Error), socket(fileno=os.dup(connection.pgconn.socket)) as line:
                line.shutdown(SHUT_RDWR)


class AsyncSender(_Line):
    """Sends from an event loop, which does other things until the answer is there.

    Only a thread can wait for a connection of the pool, so `send` has none before `connect_soon` has had the time.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._guard = threading.Lock()
        """Of what follows: a thread that connects and `close` may come at any moment."""
        self._is_connecting = False
        self._is_closed = False
        self._is_sending = False

    @property
    def is_free(self) -> bool:
        """Whether there is a connection, and nobody sends on it."""
        return self._connection is not None and not self._is_sending

    def connect_soon(self) -> None:
        """Has a thread take a connection, unless there is one, or one does so already."""
        with self._guard:
            if self._connection is not None or self._is_connecting or self._is_closed:
                return
            self._is_connecting = True
        threading.Thread(target=self._connect, name="ledger-connecting", daemon=True).start()

    def _connect(self) -> None:
        connection = None
        try:
            connection = self._taken()
        except LedgerError:
            pass  # whoever needs it asks again
        finally:
            self._keep(connection)

    def _keep(self, connection: Connection[TupleRow] | None) -> None:
        with self._guard:
            self._is_connecting = False
            if not self._is_closed:
                self._connection, connection = connection, None
        if connection is not None:
            self._give_back(connection)

    async def send(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        """As `Sender.send`, where it `is_free`; ConnectionBroken also where there is no connection."""
        connection = self._begun()
        try:
            return _answers(batch, await _executed(connection.pgconn, append_arguments(batch, self._types)))
        except psycopg.Error as error:
            raise self._cause(error, connection) from error
        except asyncio.CancelledError:
            self._drop(connection)  # the answer that nobody waits for any more is still to come on it
            raise
        finally:
            self._ended()

    def _begun(self) -> Connection[TupleRow]:
        with self._guard:
            if self._connection is None:
                raise ConnectionBroken("there is none")
            self._is_sending = True
            return self._connection

    def _ended(self) -> None:
        with self._guard:
            self._is_sending = False
            if self._is_closed:
                self._let_go()

    def close(self) -> None:
        """Takes no connection any more, and gives back the one there is: now, or when a batch under way is answered."""
        with self._guard:
            self._is_closed = True
            if not self._is_sending:
                self._let_go()


async def _executed(pgconn: PGconn, arguments: Sequence[bytes]) -> PGresult:
    pgconn.send_query_prepared(_STATEMENT, arguments, _BINARY, Format.BINARY)
    results: Sequence[PGresult] = await wait_async(generators.execute(pgconn), pgconn.socket, interval=_LOOK_S)
    return results[-1]  # a pooler adds its own words to the last ones of a server that leaves


def _answers(batch: Sequence[Encoded], result: PGresult) -> Sequence[Answer]:
    rows = ([result.get_value(row, column) for column in range(4)] for row in range(_checked(result).ntuples))
    outcomes = {number: (name, position, at) for number, name, position, at in map(read_outcome, rows)}
    return [_answer(decision, outcomes[number]) for number, decision in enumerate(batch)]


def _prepare(pgconn: PGconn) -> RecordTypes:
    """Readies a connection for appends. Texts are sent as UTF-8, whatever the server or the URL would have them be."""
    _checked(pgconn.exec_(b"set client_encoding to 'UTF8'"))
    # It is still there when an earlier turn prepared it.
    with contextlib.suppress(DuplicatePreparedStatement):
        _checked(pgconn.prepare(_STATEMENT, query("append").encode()))
    found = _checked(pgconn.exec_(query("record_types").encode()))
    return RecordTypes(*(int(found.get_value(0, column) or b"0") for column in range(len(RecordTypes._fields))))


def _checked(result: PGresult) -> PGresult:
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise error_from_result(result)
    return result


def _answer(decision: Encoded, outcome: Outcome) -> Answer:
    name, first_position, recorded_at = outcome
    if first_position is None or recorded_at is None:
        return Conflict(decision.heads)
    return Appended(first_position, recorded_at, replayed=name == "replayed")

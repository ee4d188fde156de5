"""Sends batches of decisions to `ledger.append`, always over one connection."""

import contextlib
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from ledger.committer import Answer, ConnectionBroken
from ledger.envelope import Appended
from ledger.errors import Conflict, Refused, Unavailable
from ledger.sql import query
from ledger.wire import DUMPERS, Encoded, append_arguments

Pool = ConnectionPool[Connection[TupleRow]]
"""A pool of connections in autocommit mode."""

_NOT_NOW = frozenset({"40", "53", "55", "57", "58"})
"""SQLSTATE classes that say nothing about the events: a rollback, no resources, a lock not had in time, an operator's
act, a failing disk."""
_GOING_DOWN = frozenset({"57P01", "57P02", "57P03"})
"""The server, or only this connection, is being shut down: its last message, before the connection is seen broken."""


class Sender:
    """Takes a connection from the pool at the first batch and keeps it until it breaks or `close`.

    To check a connection out for each batch would cost as much again as the append. Used by one thread at a time.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection[TupleRow] | None = None

    def send(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        """One answer for each decision, in their order. Raises what `ledger.committer.Send` says."""
        connection = self._connected()
        try:
            rows = _append(connection, batch)
        except psycopg.Error as error:
            raise self._cause(error, connection) from error
        return [_answer(decision, rows[number]) for number, decision in enumerate(batch)]

    def close(self) -> None:
        """Gives the connection back. `send` takes another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(PoolClosed):
                self._pool.putconn(connection)

    def _connected(self) -> Connection[TupleRow]:
        if self._connection is None:
            try:
                self._connection = self._pool.getconn()
            except (PoolTimeout, PoolClosed) as error:
                raise Unavailable("no connection to the ledger's database could be had") from error
            for kind, dumper in DUMPERS:
                self._connection.adapters.register_dumper(kind, dumper)
        return self._connection

    def _cause(self, error: psycopg.Error, connection: Connection[TupleRow]) -> Exception:
        """What the database's error means for the batch."""
        if connection.broken or connection.closed or error.sqlstate in _GOING_DOWN:
            self.close()
            # The others are likely broken too. The pool replaces them all now; met one by one at checkout, each
            # would make it sleep twice as long as the one before.
            self._pool.check()
            return ConnectionBroken(type(error).__name__)
        if isinstance(error, ReadOnlySqlTransaction):
            self.close()  # after a failover the next connection may reach the primary
            return Unavailable("the database is read-only; writes go to the primary")
        if (error.sqlstate or "")[:2] in _NOT_NOW:
            return Unavailable(f"the database cannot append now: {type(error).__name__}")
        # Only the SQLSTATE: the server's text may quote the data that was sent.
        return Refused(f"the database refused the append: {type(error).__name__} ({error.sqlstate})")


def _append(connection: Connection[TupleRow], batch: Sequence[Encoded]) -> dict[int, tuple[Any, ...]]:
    cursor = connection.execute(query("append"), append_arguments(batch), prepare=True, binary=True)
    return {row[0]: row[1:] for row in cursor}


def _answer(decision: Encoded, outcome: tuple[Any, ...]) -> Answer:
    name, first_position, recorded_at = outcome
    if name == "conflict":
        return Conflict(decision.heads)
    return Appended(first_position, recorded_at, replayed=name == "replayed")

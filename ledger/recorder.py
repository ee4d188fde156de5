"""The ledger in PostgreSQL: append in order, read a stream, read the whole order.

The library's own PostgreSQL recorder is not used: its pipelined insert can hang while it holds the table's lock, its
function mode loses order, and it has none of the ledger's columns. Its port, `ApplicationRecorder`, is (`ledger.port`).
"""

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import TupleRow

from ledger.async_committer import AsyncCommitter
from ledger.bounds import VERSION_MAX, check_decision
from ledger.committer import Answer, Committer, Observe, Send, unobserved
from ledger.envelope import Appended, Context
from ledger.errors import LedgerError, Refused, Unavailable
from ledger.mapper import RecordedRow, Row
from ledger.port import POSITION_MAX, READ_EVENTS_MAX, LedgerRecorder
from ledger.sending import AsyncSender, Pool, Sender
from ledger.sql import query
from ledger.wire import Encoded, encode_decision

TURN_S_MAX = 1
"""How long a turn is waited for, in whole seconds: who has it may have been stopped."""


class PostgresRecorder(LedgerRecorder):
    """Appends through `ledger.append` and reads `ledger.events`. An answered append is on disk."""

    def __init__(self, pool: Pool, *, observe: Observe = unobserved) -> None:
        self._pool = pool
        self._sender = Sender(pool)
        self._async_sender = AsyncSender(pool)
        self._committer = Committer(_observed(self._sender.send, observe), give_up=self._sender.give_up)
        self._async_committer = AsyncCommitter(self._async_sender, self._committer, observe=observe)

    def close(self) -> None:
        """Sends what is waiting in threads; a batch of an event loop is finished there. The pool stays its owner's."""
        self._committer.close()
        self._sender.close()
        self._async_sender.close()

    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """Appends one decision. Raises Conflict, Refused or Unavailable."""
        check_decision(rows, heads)
        return self._committer.append(encode_decision(rows, heads))

    async def append_all(
        self, decisions: Sequence[tuple[Sequence[Row], Mapping[str, int]]]
    ) -> list[Appended | LedgerError]:
        """Appends decisions that know nothing of each other, in one go as far as they do not touch."""
        answers: list[Appended | LedgerError | None] = []
        sound: list[Encoded] = []
        for rows, heads in decisions:
            try:
                check_decision(rows, heads)
                sound.append(encode_decision(rows, heads))
                answers.append(None)
            except Refused as error:
                answers.append(error)
        committed = iter(await self._async_committer.append_all(sound))
        return [_answer(next(committed)) if each is None else each for each in answers]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[RecordedRow]:
        """The events of one stream by version."""
        name = "stream_events_desc" if desc else "stream_events"
        bounds = {"stream": str(originator_id), "gt": gt or 0, "lte": VERSION_MAX if lte is None else lte}
        with self.reading() as connection:
            rows = connection.execute(query(name), {**bounds, "limit": limit}, prepare=True, binary=True)
            return [recorded_row(row) for row in rows]

    def read(self, after: int, *, until: int = POSITION_MAX, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Events with `after` < position <= `until`, at most `limit`."""
        bounds = {"after": after, "until": until, "limit": limit}
        with self.reading() as connection:
            rows = connection.execute(query("events_after"), bounds, prepare=True, binary=True)
            return [recorded_row(row) for row in rows]

    def pick(self, after: int, types: Collection[str], *, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Of the events `read` gives, those of these types, and the last. The others do not leave the database."""
        bounds = {"after": after, "until": min(after + limit, POSITION_MAX), "types": [*types]}
        with self.reading() as connection:
            rows = connection.execute(query("picked_after"), bounds, prepare=True, binary=True).fetchall()
        if rows or (self.max_notification_id() or 0) <= after:
            return [recorded_row(row) for row in rows]
        # Somebody took so many facts out that the stretch is empty: what is behind them is still followed.
        read = self.read(after, limit=limit)
        return [row for row in read if row.topic in types or row is read[-1]]

    def read_streams(
        self, prefix: str, *, after: tuple[str, int] | None, until: int, desc: bool, limit: int
    ) -> Sequence[RecordedRow]:
        """Events up to position `until` of the streams of a prefix, by stream and version."""
        ends = (prefix, 0), (f"{prefix}z", 0)  # z: behind every hex digit, in whatever order the database sorts text
        low, high = (ends[0], after or ends[1]) if desc else (after or ends[0], ends[1])
        bounds = {"stream": low[0], "version": low[1], "last_stream": high[0], "last_version": high[1]}
        with self.reading() as connection:
            # Not prepared: a short prefix of a long ledger is read by position, a long one by stream.
            rows = connection.execute(
                query("streams_desc" if desc else "streams"),
                {**bounds, "prefix": prefix, "until": until, "limit": limit},
                prepare=False,
                binary=True,
            )
            return [recorded_row(row) for row in rows]

    def max_notification_id(self) -> int | None:
        """The last position, None while the ledger is empty."""
        with self.reading() as connection:
            row = connection.execute(query("head"), prepare=True).fetchone()
            return row[0] if row else None

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Waits for the others of this name in any process, for `TURN_S_MAX` at most. A server gives turns in order."""
        held = ExitStack()
        try:
            connection = held.enter_context(self._pool.connection())
            held.enter_context(connection.transaction())
            connection.execute(_turn(name))
        except psycopg.Error:  # nobody may rely on a turn, so nobody has to learn that there was none
            _end(held)
        try:
            yield
        finally:
            _end(held)

    @contextmanager
    def reading(self) -> Iterator[Connection[TupleRow]]:
        """A connection of the pool. Raises Unavailable when the database does not answer, or is read-only."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction) as error:
            raise Unavailable(f"the ledger's database does not answer: {type(error).__name__}") from error


def _answer(answer: Appended | Exception) -> Appended | LedgerError:
    """The answer, unless the committer itself failed: that is raised, for all."""
    if isinstance(answer, Appended | LedgerError):
        return answer
    raise answer


def _observed(send: Send, observe: Observe) -> Send:
    def measured(batch: Sequence[Encoded]) -> Sequence[Answer]:
        began = time.monotonic()
        answers = send(batch)
        observe(len(batch), time.monotonic() - began)
        return answers

    return measured


def _turn(name: str) -> bytes:
    """Takes a lock that ends with its transaction, so that it also works behind a pooler of transactions."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    return f"set local lock_timeout = '{TURN_S_MAX}s'; select pg_advisory_xact_lock({key})".encode()


def _end(held: ExitStack) -> None:
    """Gives a turn back. It may have been taken away meanwhile, which changes nothing of what was done in it."""
    with suppress(psycopg.Error):
        held.close()


def recorded_row(row: tuple[Any, ...]) -> RecordedRow:
    """A row of `ledger.events`, columns in the table's order."""
    (
        position,
        stream,
        version,
        kind,
        event_id,
        recorded,
        occurred,
        tenant,
        actor,
        correlation,
        causation,
        trace,
        payload,
    ) = row
    context = Context(tenant, actor, occurred, correlation, causation, trace)
    return RecordedRow(stream, version, kind, bytes(payload), position, event_id, context, recorded)

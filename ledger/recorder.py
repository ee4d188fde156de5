"""The ledger in PostgreSQL: append in order, read a stream, read the whole order.

The library's own PostgreSQL recorder is not used: its pipelined insert can hang while it holds the table's lock, its
function mode loses order, and it has none of the ledger's columns. Its port, `ApplicationRecorder`, is.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import ApplicationRecorder, StoredEvent, Subscription
from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import TupleRow

from ledger.bounds import VERSION_MAX, check_decision
from ledger.committer import Committer
from ledger.envelope import Appended, Context
from ledger.errors import Unavailable
from ledger.mapper import RecordedRow, Row
from ledger.sending import Pool, Sender
from ledger.sql import query
from ledger.wire import encode_decision

__all__ = [
    "POSITION_MAX",
    "READ_EVENTS_MAX",
    "VERSION_MAX",
    "Pool",
    "PostgresRecorder",
    "insert",
    "recorded_row",
]

POSITION_MAX = 2**63 - 1
READ_EVENTS_MAX = 10_000
"""Most events in one read; a longer stream is read in pages."""


class PostgresRecorder(ApplicationRecorder):
    """Appends through `ledger.append` and reads `ledger.events`. Safe to use from several threads.

    Durability: an answered append is on disk. Order: positions are dense and follow commits, so a reader that has seen
    P has seen everything up to P. Errors: Conflict, Refused, Unavailable (`ledger.errors`).
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sender = Sender(pool)
        self._committer = Committer(self._sender.send)

    def close(self) -> None:
        """Sends what is waiting. The pool stays its owner's to close."""
        self._committer.close()
        self._sender.close()

    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """Appends one decision. Raises Conflict, Refused or Unavailable."""
        check_decision(rows, heads)
        return self._committer.append(encode_decision(rows, heads))

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """The library's way in: `save(*events, heads=...)`. Positions of the events."""
        return insert(self, stored_events, **kwargs)

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

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[RecordedRow]:
        """Events by position. `topics` is refused: a filtered read has no index, and its reader falls behind unseen."""
        if topics:
            raise NotImplementedError("read the whole order, and filter what was read")
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        return self.read(after, until=POSITION_MAX if stop is None else stop, limit=limit)

    def read(self, after: int, *, until: int = POSITION_MAX, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Events with `after` < position <= `until`, at most `limit`."""
        bounds = {"after": after, "until": until, "limit": limit}
        with self.reading() as connection:
            rows = connection.execute(query("events_after"), bounds, prepare=True, binary=True)
            return [recorded_row(row) for row in rows]

    def max_notification_id(self) -> int | None:
        """The last position, None while the ledger is empty."""
        with self.reading() as connection:
            row = connection.execute(query("head"), prepare=True).fetchone()
            return row[0] if row else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Refused: the library's subscription can miss a wake-up and dies with its connection."""
        raise NotImplementedError("follow with ledger.following.follow")

    @contextmanager
    def reading(self) -> Iterator[Connection[TupleRow]]:
        """A connection of the pool. Raises Unavailable when the database does not answer, or is read-only."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction) as error:
            raise Unavailable(f"the ledger's database does not answer: {type(error).__name__}") from error


def insert(recorder: Any, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
    """`insert_events` as our recorders mean it: one decision; heads default to the versions before its events."""
    unknown = {name for name, value in kwargs.items() if value is not None} - {"heads"}
    if unknown:
        raise TypeError(
            f"save() takes heads=..., not {', '.join(sorted(unknown))}; a read model keeps its own position"
        )
    rows = cast("Sequence[Row]", stored_events)
    if not rows:
        return []
    heads: dict[str, int] = dict(kwargs.get("heads") or {})
    for row in rows:
        heads.setdefault(str(row.originator_id), row.originator_version - 1)
    first = recorder.append(rows, heads).first_position
    return list(range(first, first + len(rows)))


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

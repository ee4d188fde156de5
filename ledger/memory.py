"""The ledger in memory, for the simulation and for tests. It keeps the contract of `ledger.port`."""

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from uuid import UUID

from ledger.bounds import check_decision
from ledger.clock import Clock, system_clock
from ledger.envelope import Appended
from ledger.errors import Conflict, Unavailable
from ledger.mapper import RecordedRow, Row
from ledger.port import POSITION_MAX, READ_EVENTS_MAX, LedgerRecorder


class MemoryRecorder(LedgerRecorder):
    """Appends and reads under one lock. Nothing survives the process."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._order: list[RecordedRow] = []
        self._streams: dict[str, list[RecordedRow]] = defaultdict(list)
        self._closed = False

    def close(self) -> None:
        """Refuses what comes after."""
        self._closed = True

    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """Appends one decision. Raises Conflict, Refused or Unavailable."""
        check_decision(rows, heads)
        with self._lock:
            if self._closed:
                raise Unavailable("the ledger is closed")
            if any(len(self._streams.get(stream, ())) != head for stream, head in heads.items()):
                return self._first_answer(rows, heads)
            return self._write(rows)

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
        with self._lock:
            stream = self._streams.get(str(originator_id), [])
            rows = stream[max(gt or 0, 0) : len(stream) if lte is None else max(lte, 0)]
        return (rows[::-1] if desc else rows)[:limit]

    def read(self, after: int, *, until: int = POSITION_MAX, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Events with `after` < position <= `until`, at most `limit`."""
        with self._lock:
            start = max(after, 0)
            return self._order[start : max(min(until, start + limit), 0)]

    def pick(self, after: int, types: Collection[str], *, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Of the events `read` gives, those of these types, and the last."""
        rows = self.read(after, limit=limit)
        return [row for row in rows if row.topic in types or row is rows[-1]]

    def read_streams(
        self, prefix: str, *, after: tuple[str, int] | None, until: int, desc: bool, limit: int
    ) -> Sequence[RecordedRow]:
        """Events up to position `until` of the streams of a prefix, by stream and version."""
        with self._lock:
            wanted = sorted((name for name in self._streams if name.startswith(prefix)), reverse=desc)
            rows = [row for name in wanted for row in self._streams[name][:: -1 if desc else 1] if row.id <= until]
        if after is not None:
            rows = [row for row in rows if (_place(row) < after if desc else _place(row) > after)]
        return rows[:limit]

    def turn(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002 - appends are instant here
        """No waiting."""
        return nullcontext()

    def max_notification_id(self) -> int | None:
        """The last position, None while the ledger is empty."""
        with self._lock:
            return len(self._order) or None

    def _first_answer(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """The answer these very events got when they were appended before; Conflict when they were not."""
        found = [self._recorded(row) for row in rows]
        recorded = [row for row in found if row is not None]
        if len(recorded) < len(rows):
            raise Conflict(heads)
        return Appended(recorded[0].id, recorded[0].recorded_at, replayed=True)

    def _recorded(self, row: Row) -> RecordedRow | None:
        stream = self._streams.get(str(row.originator_id), [])
        if row.originator_version > len(stream):
            return None
        recorded = stream[row.originator_version - 1]
        return recorded if recorded.event_id == row.event_id else None

    def _write(self, rows: Sequence[Row]) -> Appended:
        recorded_at = self._next_moment()
        first = len(self._order) + 1
        for row in rows:
            recorded = RecordedRow(
                row.originator_id,
                row.originator_version,
                row.topic,
                row.state,
                len(self._order) + 1,
                row.event_id,
                row.context,
                recorded_at,
            )
            self._order.append(recorded)
            self._streams[str(row.originator_id)].append(recorded)
        return Appended(first, recorded_at, replayed=False)

    def _next_moment(self) -> datetime:
        now = self._clock()
        return max(now, self._order[-1].recorded_at) if self._order else now


def _place(row: RecordedRow) -> tuple[str, int]:
    return str(row.originator_id), row.originator_version

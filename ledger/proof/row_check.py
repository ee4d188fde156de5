"""Reads every row as it is stored: whether it can be decoded, whether all are in order, and what its leaf hash is."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias, cast

from ledger.envelope import Fact
from ledger.errors import InvalidEvent, SegmentUnreadable, UnknownEventType
from ledger.events import TYPES
from ledger.mapper import FactMapper
from ledger.payloads import ReadPayload, is_moved, payload_sha256, unread
from ledger.proof.findings import Findings
from ledger.proof.forms import form_of
from ledger.proof.leaves import Columns, column_leaves
from ledger.proof.tree_check import MISSING

Row: TypeAlias = Columns[bytes]
"""A row of `sql/rows.sql`, with its stored payload."""
RECORDED_MIN = -(1 << 63)
"""The earliest moment PostgreSQL can hold: `-infinity`."""
OnFact = Callable[[int, str, Fact], None]
"""Told of a fact: its position, its stream, itself."""


class RowCheck:
    """Takes rows by position. `watched` are types of facts that `on_fact` is told of; `payloads` reads closed segments.

    Holds one number a stream.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        size_needed: int,
        types: Mapping[str, type[Fact]] = TYPES,
        watched: Collection[str] = (),
        on_fact: OnFact | None = None,
        payloads: ReadPayload = unread,
    ) -> None:
        """`size_needed` is how many facts there have to be: of so many, those that are missing get a leaf."""
        self._findings = findings
        self._size_needed = size_needed
        self._mapper = FactMapper(types)
        self._watched = frozenset(watched)
        checks = {name: form_of(cls) for name, cls in types.items() if name not in self._watched}
        self._checks = {name: check for name, check in checks.items() if check is not None}
        self._on_fact = on_fact
        self._payloads = payloads
        self._versions: dict[str, int] = {}
        self._recorded = RECORDED_MIN
        self.next = 1
        """The position that has to come next."""

    def leaves(self, rows: Sequence[Row]) -> list[bytes]:
        """The leaf hashes of the next rows; what is wrong with them becomes findings.

        All are decoded, then all are hashed: a processor does many of the same faster than one after the other.
        """
        placed = self._placed(rows)
        checks = self._checks
        for row in placed:
            if row is None:
                continue
            try:
                checks[row[3]](row[12])
            except (KeyError, ValueError):
                self._decode_slowly(row)
        return self._hashed(placed)

    def _placed(self, rows: Sequence[Row]) -> Sequence[Row | None]:
        """The rows in their places, None where one is missing."""
        due = self.next
        if [row[0] for row in rows] == list(range(due, due + len(rows))):
            self.next += len(rows)
            self._follow(rows)
            return rows
        placed: list[Row | None] = []
        for row in rows:
            position = row[0]
            if position < self.next:
                self._findings.add("order_broken", position, "more than one fact has this position")
                continue
            if position > self.next:
                self._findings.add("facts_missing", self.next, "the position is missing", last=position - 1)
                placed += [None] * (min(position - 1, self._size_needed) - self.next + 1)
            self.next = position + 1
            self._follow([row])
            placed.append(row)
        return placed

    def _follow(self, rows: Sequence[Row]) -> None:
        """Whether the versions of each stream follow one another, and the times of recording."""
        versions, recorded = self._versions, self._recorded
        for row in rows:
            stream, version, at = row[1], row[2], row[5]
            if versions.get(stream, 0) + 1 != version:
                self._out_of_turn(row[0], stream, version)
            versions[stream] = version
            if at < recorded:
                self._findings.add("order_broken", row[0], "it was recorded before the fact in front of it")
            recorded = at
        self._recorded = recorded

    def _hashed(self, placed: Sequence[Row | None]) -> list[bytes]:
        try:
            return column_leaves(cast("Sequence[Row]", placed), payload_sha256)
        except (OverflowError, TypeError, ValueError):  # one is missing, or cannot be written: which, is seen here
            return [self._leaf(row) for row in placed]

    def _leaf(self, row: Row | None) -> bytes:
        """The leaf hash of a row, that of nothing where there is none."""
        if row is None:
            return MISSING
        try:
            return column_leaves([row], payload_sha256)[0]
        except (OverflowError, TypeError, ValueError):
            self._findings.add("invalid_event", row[0], "a column holds what no fact has there")
            return MISSING

    def _out_of_turn(self, position: int, stream: str, version: int) -> None:
        expected = self._versions.get(stream, 0) + 1
        wrong = f"{stream} has version {version} here, where {expected} is due"
        self._findings.add("order_broken", position, wrong)

    def _decode_slowly(self, row: Row) -> None:
        """The whole way, which makes the fact, knows older schemas and closed segments, and says what is wrong."""
        position, stream, version, kind, stored = row[0], row[1], row[2], row[3], row[12]
        try:
            payload = self._payloads(position, stored) if is_moved(stored) else stored
            fact = self._mapper.decode(kind, payload, place=f"{stream} version {version}")
        except UnknownEventType as error:
            self._findings.add("unknown_event_type", position, str(error))
        except SegmentUnreadable as error:
            self._findings.add("payload_unreadable", position, str(error))
        except InvalidEvent as error:
            self._findings.add("invalid_event", position, str(error))
        else:
            if kind in self._watched and self._on_fact is not None:
                self._on_fact(position, stream, fact)

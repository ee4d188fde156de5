"""The ledger's face: save decisions, fold streams, read the order."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar, Protocol, TypeVar, cast

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import ApplicationRecorder, Mapper
from eventsourcing.utils import Environment, EnvType

from ledger import lifecycle, streams
from ledger.bounds import VERSION_MAX
from ledger.envelope import Appended, Decision, Event
from ledger.errors import LedgerError, Refused
from ledger.holds import Holds
from ledger.holds import fold as fold_holds
from ledger.mapper import FactMapper, RecordedRow, Row
from ledger.payloads import ReadPayload, unread
from ledger.port import POSITION_MAX, READ_EVENTS_MAX, LedgerRecorder
from ledger.render import Render

HISTORIES_ROWS = 2_000
"""Rows that are held at a time where many streams are read."""


class Foldable(Protocol):
    """A state folded from a stream."""

    @property
    def id(self) -> str:
        """The stream."""

    @property
    def version(self) -> int:
        """The version of the last event in it."""


State = TypeVar("State", bound=Foldable)


class Ledger(Application[str]):
    """An event-sourced application whose events are facts saved directly; there are no aggregates.

    Synchronous but for `append_all`, and safe to use from several threads. Whatever gives events also raises
    SegmentUnreadable.
    """

    name = "ledger"
    env: ClassVar[dict[str, str]] = {"PERSISTENCE_MODULE": "eventsourcing.popo"}

    def __init__(self, recorder: LedgerRecorder, payloads: ReadPayload = unread) -> None:
        """`payloads` reads those that were moved to the files of closed segments."""
        self.payloads = payloads
        self._recorder = recorder
        self._mapper = FactMapper(payloads=payloads)
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Nothing but the class's own settings. The library would let the process's environment choose a database."""
        return Environment(name, {**self.env, **(env or {})})

    def construct_mapper(self) -> Mapper[str]:
        """Ours: a closed dictionary of types, validated both ways."""
        return self._mapper

    def construct_recorder(self) -> ApplicationRecorder:
        """The one given."""
        return self._recorder

    def append(self, decision: Decision) -> Appended:
        """Appends one decision, whole or not at all.

        Raises Conflict when a head it was decided on moved, Refused when it cannot be stored, Unavailable when the
        database does not answer; a retry of the same decision is answered with the first result. The library's
        `save(*events, heads=...)` ends in the same place.
        """
        return self._recorder.append(self._rows_of(decision), decision.heads)

    async def append_all(self, decisions: Sequence[Decision]) -> list[Appended | LedgerError]:
        """Appends decisions that know nothing of each other, and answers each: the result of `append`, or its error.

        For one event loop at a time, which is not held up while the ledger writes.
        """
        rows = [self._rows_or_refusal(each) for each in decisions]
        sound = [
            (each, decision.heads) for each, decision in zip(rows, decisions, strict=True) if isinstance(each, list)
        ]
        answers = iter(await self._recorder.append_all(sound))
        return [next(answers) if isinstance(each, list) else each for each in rows]

    def _rows_or_refusal(self, decision: Decision) -> list[Row] | Refused:
        try:
            return self._rows_of(decision)
        except Refused as error:
            return error

    def _rows_of(self, decision: Decision) -> list[Row]:
        return [self._mapper.to_stored_event(event) for event in decision.events]

    def history(self, stream: str, *, after: int = 0, until: int | None = None) -> list[Event]:
        """A stream's events with `after` < version <= `until`, by version."""
        return [*cast("Iterator[Event]", self.events.get(stream, gt=after, lte=until))]

    def past(self, stream: str, until: int) -> list[Event]:
        """A stream's events up to position `until`. What came later is not decoded, and hinders nobody."""
        rows = cast("Sequence[RecordedRow]", self._recorder.select_events(stream))
        return self.decode(row for row in rows if row.id <= until)

    def histories(
        self, prefix: str, *, until: int, after: str | None = None, desc: bool = False
    ) -> Iterator[tuple[str, list[Event]]]:
        """The streams whose id is `prefix` and hex digits, by id, each with its events up to position `until`.

        `after`: begins behind this stream; `desc`: the last stream first. Read in pages, so that memory stays flat.
        """
        rows = self._rows(prefix, until=until, after=after, desc=desc)
        for stream, group in groupby(rows, key=attrgetter("originator_id")):
            kept = list(group)
            yield str(stream), self.decode(reversed(kept) if desc else kept)

    def paged_history(self, stream: str, until: int) -> Iterator[Event]:
        """A long stream's events up to position `until`, read in pages so that memory stays flat."""
        after, full = 0, True
        while full:
            rows = cast("Sequence[RecordedRow]", self._recorder.select_events(stream, gt=after, limit=HISTORIES_ROWS))
            kept = [row for row in rows if row.id <= until]
            yield from self.decode(kept)
            full = len(kept) == HISTORIES_ROWS
            after += len(rows)

    def position_at(self, moment: datetime, *, included: bool = True) -> int:
        """The position of the last event recorded at `moment` or before, 0 when there is none.

        Not `included`: before it.

        `recorded_at` never runs backwards along positions, so a few looks find it.
        """
        below, above = 0, self.head() + 1
        while above - below > 1:
            middle = (below + above) // 2
            recorded_at = self.recorded_at(middle)
            if recorded_at < moment or (included and recorded_at == moment):
                below = middle
            else:
                above = middle
        return below

    def recorded_at(self, position: int) -> datetime:
        """When the event at a position that exists was recorded."""
        return self._recorder.read(position - 1, until=position, limit=1)[0].recorded_at

    def _rows(self, prefix: str, *, until: int, after: str | None, desc: bool) -> Iterator[RecordedRow]:
        place = None if after is None else (after, 0 if desc else VERSION_MAX)
        full = True
        while full:
            page = self._recorder.read_streams(prefix, after=place, until=until, desc=desc, limit=HISTORIES_ROWS)
            yield from page
            full = len(page) == HISTORIES_ROWS
            if full:
                place = str(page[-1].originator_id), page[-1].originator_version

    def fold(self, stream: str, projector: Any, *, version: int | None = None) -> Any:
        """The state of a stream by `projector(None, events)`, None when it has no events."""
        try:
            return self.repository.get(stream, version=version, projector_func=projector)
        except AggregateNotFoundError:
            return None

    def render(self, stream: str, *, version: int | None = None) -> Render | None:
        """The render of a stream, as it is or as it was at `version`."""
        return cast("Render | None", self.fold(stream, lifecycle.fold, version=version))

    def holds(self, tenant: str) -> Holds:
        """The legal holds of a tenant, as they are."""
        found = cast("Holds | None", self.fold(streams.holds(tenant), fold_holds))
        return found or Holds.none(tenant)

    def turn(self, name: str) -> AbstractContextManager[None]:
        """Waits until nobody else has the turn of this name; `ledger.port.LedgerRecorder.turn`."""
        return self._recorder.turn(name)

    def read(self, after: int, *, until: int = POSITION_MAX, limit: int = READ_EVENTS_MAX) -> Sequence[Event]:
        """Events with `after` < position <= `until` in the ledger's order, at most `limit`."""
        return self.decode(self._recorder.read(after, until=until, limit=limit))

    def stored(self, after: int, *, until: int = POSITION_MAX, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """As `read`, the rows as they are stored: whoever checks the facts does not have them decoded for it."""
        return self._recorder.read(after, until=until, limit=limit)

    def stored_history(self, stream: str) -> Sequence[RecordedRow]:
        """A stream's rows as they are stored, by version."""
        return cast("Sequence[RecordedRow]", self._recorder.select_events(stream))

    def pick(self, after: int, types: Collection[str], *, limit: int) -> tuple[list[Event], int]:
        """Of the next `limit` events behind `after`, those of these types; and the position of the last of all.

        What is of another type is not decoded, and hinders nobody even if it could not be.
        """
        rows = self._recorder.pick(after, types, limit=limit)
        return self.decode(row for row in rows if row.topic in types), rows[-1].id if rows else after

    def decode(self, rows: Iterable[RecordedRow]) -> list[Event]:
        """The events in stored rows. Raises Corrupt, naming the place."""
        return [self._mapper.to_domain_event(row) for row in rows]

    def events_in(self, rows: Iterable[tuple[Any, ...]]) -> list[Event]:
        """The events in rows of `ledger.events`, columns in the table's order. Raises Corrupt, naming the place."""
        return [self._mapper.event(row) for row in rows]

    def head(self) -> int:
        """The last position, 0 while the ledger is empty."""
        return self._recorder.max_notification_id() or 0

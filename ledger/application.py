"""The ledger's face: save decisions, fold streams, read the order."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, TypeVar, cast

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import ApplicationRecorder, Mapper
from eventsourcing.utils import Environment, EnvType

from ledger import lifecycle, streams
from ledger.envelope import Appended, Decision, Event
from ledger.holds import Holds
from ledger.holds import fold as fold_holds
from ledger.mapper import FactMapper, RecordedRow, Row
from ledger.port import POSITION_MAX, READ_EVENTS_MAX, LedgerRecorder


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

    Synchronous, and safe to use from several threads.
    """

    name = "ledger"
    env: ClassVar[dict[str, str]] = {"PERSISTENCE_MODULE": "eventsourcing.popo"}

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._recorder = recorder
        self._mapper = FactMapper()
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
        rows: list[Row] = [self._mapper.to_stored_event(event) for event in decision.events]
        return self._recorder.append(rows, decision.heads)

    def history(self, stream: str, *, after: int = 0, until: int | None = None) -> list[Event]:
        """A stream's events with `after` < version <= `until`, by version."""
        return [*cast("Iterator[Event]", self.events.get(stream, gt=after, lte=until))]

    def fold(self, stream: str, projector: Any, *, version: int | None = None) -> Any:
        """The state of a stream by `projector(None, events)`, None when it has no events."""
        try:
            return self.repository.get(stream, version=version, projector_func=projector)
        except AggregateNotFoundError:
            return None

    def render(self, stream: str, *, version: int | None = None) -> lifecycle.Render | None:
        """The render of a stream, as it is or as it was at `version`."""
        return cast("lifecycle.Render | None", self.fold(stream, lifecycle.fold, version=version))

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

    def pick(self, after: int, types: Collection[str], *, limit: int) -> tuple[list[Event], int]:
        """Of the next `limit` events behind `after`, those of these types; and the position of the last of all.

        What is of another type is not decoded, and hinders nobody even if it could not be.
        """
        rows = self._recorder.read(after, limit=limit)
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

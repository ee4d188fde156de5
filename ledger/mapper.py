"""Event to stored bytes and back. A closed dictionary of type names; validated both ways; upcast on read.

The payload is JSON with sorted keys and its schema number: `{"f":{...fields...},"v":1}`. Nothing outside `TYPES` is
ever imported because of what a row says.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, Notification, StoredEvent
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ledger.envelope import Context, Event, Fact
from ledger.errors import InvalidEvent, Refused, UnknownEventType
from ledger.events import TYPES
from ledger.payloads import MARK, ReadPayload, unread

FactT = TypeVar("FactT", bound=Fact)

NO_ID = UUID(int=0)
"""Of events whose ids nobody read."""


class Stored(TypedDict, Generic[FactT]):
    """The payload of a fact in the form of its present schema."""

    f: FactT
    v: Annotated[int, Field(strict=True)]


@dataclass(frozen=True)
class Row(StoredEvent):
    """A stored event with the ledger's own columns."""

    event_id: UUID
    context: Context


@dataclass(frozen=True)
class RecordedRow(Notification):
    """A stored event that has its place in the ledger's order; `id` is its position."""

    event_id: UUID
    context: Context
    recorded_at: datetime


class FactMapper(Mapper[str]):
    """The library's mapper seam, for frozen pydantic facts. `payloads` reads those of closed segments.

    Everything that makes facts of rows also raises SegmentUnreadable.
    """

    def __init__(self, types: Mapping[str, type[Fact]] = TYPES, *, payloads: ReadPayload = unread) -> None:
        super().__init__(transcoder=JSONTranscoder())
        self._types = types
        self._payloads = payloads
        self._readers: dict[str, Callable[[bytes], Stored[Any]]] = {}

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> Row:
        """The bytes of an event. Raises Refused when JSON cannot hold a value in it."""
        assert isinstance(domain_event, Event), type(domain_event)  # noqa: S101 - only our application saves here
        event = domain_event
        assert self._types.get(event.fact.TYPE) is type(event.fact), event.fact  # noqa: S101 - a programmer's mistake
        state = encode(event.fact)
        return Row(event.stream, event.version, event.fact.TYPE, state, event.event_id, event.context)

    def to_domain_event(self, stored_event: StoredEvent) -> Event:
        """The event that was stored. Raises UnknownEventType or InvalidEvent, each naming the place."""
        assert isinstance(stored_event, Row | RecordedRow), type(stored_event)  # noqa: S101 - our recorders' rows only
        row = stored_event
        state = row.state
        if state[:1] == MARK and isinstance(row, RecordedRow):
            state = self._payloads(row.id, state)
        return Event(
            stream=str(row.originator_id),
            version=row.originator_version,
            event_id=row.event_id,
            context=row.context,
            fact=self.decode(row.topic, state, place=f"{row.originator_id} version {row.originator_version}"),
            position=row.id if isinstance(row, RecordedRow) else None,
            recorded_at=row.recorded_at if isinstance(row, RecordedRow) else None,
        )

    def event(self, row: tuple[Any, ...]) -> Event:
        """The event in a row of `ledger.events`, columns in the table's order.

        Raises UnknownEventType or InvalidEvent, each naming the place.
        """
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
            state,
        ) = row
        if state[:1] == MARK:
            state = self._payloads(position, state)
        fact = self._quick(kind, state) or self._closely(kind, state, f"{stream} version {version}")
        context = Context(tenant, actor, occurred, correlation, causation, trace)
        return Event(stream, version, event_id, context, fact, position, recorded)

    def events_to_fold(self, rows: Iterable[tuple[Any, ...]]) -> list[Event]:
        """The events in rows of what folds need, without ids (`NO_ID`) or what they go with. Raises as `event`.

        Columns: position, stream, version, type, recorded_at, occurred_at, tenant, actor, payload. One loop without a
        call but the reader's: a rebuild goes through it once for each event that is folded.
        """
        events = []
        make: Any = tuple.__new__  # as the classes do, without their constructors
        for position, stream, version, kind, recorded, occurred, tenant, actor, state in rows:
            fact = None
            read = self._readers.get(kind)
            if read is not None:
                try:
                    stored = read(state)
                except ValidationError:
                    pass  # looked at closely below; so is what stands for a moved payload
                else:
                    found: Fact = stored["f"]
                    fact = found if stored["v"] == found.SCHEMA else None
            if fact is None:
                fact = self.fact((position, stream, version, kind, state))
            context = make(Context, (tenant, actor, occurred, None, None, None))
            events.append(make(Event, (stream, version, NO_ID, context, fact, position, recorded)))
        return events

    def are_facts(self, type_name: str, states: Iterable[bytes]) -> bool:
        """Whether these stored bytes are facts of a type in its present schema; False: some need a closer look.

        True where `fact` finds each of them at its first look. None of them is kept.
        """
        read = self._readers.get(type_name) or self._reader(type_name)
        if read is None:
            return False
        schema = self._types[type_name].SCHEMA
        try:
            return all(read(state)["v"] == schema for state in states)
        except ValidationError:
            return False

    def fact(self, row: tuple[Any, ...]) -> Fact:
        """The fact in a row that begins with position, stream, version and type, and ends with the payload.

        Raises as `event`.
        """
        position, stream, version, kind, state = row[0], row[1], row[2], row[3], row[-1]
        if state[:1] == MARK:
            state = self._payloads(position, state)
        return self._quick(kind, state) or self._closely(kind, state, f"{stream} version {version}")

    def _quick(self, type_name: str, state: bytes) -> Fact | None:
        """The fact in stored bytes of the present schema, parsed and validated at once; None: take a closer look.

        It takes half the time of a closer look (measured).
        """
        read = self._readers.get(type_name) or self._reader(type_name)
        if read is None:
            return None
        try:
            stored = read(state)
        except ValidationError:
            return None
        fact: Fact = stored["f"]
        return fact if stored["v"] == fact.SCHEMA else None

    def _reader(self, type_name: str) -> Callable[[bytes], Stored[Any]] | None:
        cls = self._types.get(type_name)
        if cls is not None:
            self._readers[type_name] = _reader_of(cls)
        return self._readers.get(type_name)

    def decode(self, type_name: str, state: bytes, *, place: str) -> Fact:
        """The fact in stored bytes. `place` says in errors where it was found."""
        return self._quick(type_name, state) or self._closely(type_name, state, place)

    def _closely(self, type_name: str, state: bytes, place: str) -> Fact:
        cls = self._types.get(type_name)
        if cls is None:
            raise UnknownEventType(f"{place}: type {type_name!r} is not known to this version; a newer one wrote it")
        try:
            return cls.model_validate(_fields(cls, state))
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            raise InvalidEvent(f"{place}: not a valid {type_name}: {_cause(error)}") from error


@cache
def _reader_of(cls: type[Fact]) -> Callable[[bytes], Stored[Any]]:
    """Made once, when first needed: to make one takes a millisecond, and most processes need few."""
    read: Callable[[bytes], Stored[Any]] = TypeAdapter(Stored[cls]).validator.validate_json  # type: ignore[valid-type]
    return read


def encode(fact: Fact) -> bytes:
    """The payload of a fact, the same bytes for equal facts.

    It is not validated once more: there is no fact that was built unchecked.

    Raises Refused for a value JSON cannot hold (an integer over 64 bits, half of a surrogate pair).
    """
    payload = {"f": fact.__pydantic_serializer__.to_python(fact, mode="json"), "v": fact.SCHEMA}
    try:
        return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise Refused(f"{fact.TYPE} cannot be stored: {error}") from error


def _fields(cls: type[Fact], state: bytes) -> dict[str, Any]:
    """The stored fields, in the form of the present schema."""
    stored = orjson.loads(state)
    fields, schema = stored["f"], stored["v"]
    if not isinstance(fields, dict) or type(schema) is not int:
        raise TypeError("a payload is {f: fields, v: schema}")
    return fields if schema == cls.SCHEMA else cls.upcast(schema, fields)


def _cause(error: Exception) -> str:
    """The places that do not validate, without their contents."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors())
    return type(error).__name__

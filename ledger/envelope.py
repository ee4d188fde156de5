"""A fact, the event that carries it, and the decision that records several of them at once."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, NamedTuple, NewType, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.identifiers import NewId

ACTOR_CHARS_MAX = 128
PAYLOAD_BYTES_MAX = 256 * 1024
"""Largest stored payload in bytes. A prompt of 32,000 characters fits several times over."""

Sealed = NewType("Sealed", str)
"""Ciphertext made by `ledger.keys`: prompts, references' names and free text never enter a fact in the clear."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in lower-case hex."""


Moment = AwareDatetime
"""A moment in a fact carries its time zone."""


class Fact(BaseModel):
    """Something that happened. Frozen, past tense, validated when made and when read.

    There is no way to make one unchecked, nested values included, so that it is not validated again when it is written.

    `TYPE` is its stable name in the ledger, never an import path; `SCHEMA` counts the versions of its fields, and
    `upcast` turns the stored fields of an older version into the present ones.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # a traceback is no place for a prompt
        revalidate_instances="always",
        defer_build=True,  # at first use: no process needs them all, and building them is most of importing them
    )

    TYPE: ClassVar[str]
    SCHEMA: ClassVar[int] = 1

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields as version `schema` stored them, in the form of `SCHEMA`. Raises ValueError when it cannot."""
        if schema != cls.SCHEMA:
            raise ValueError(f"{cls.TYPE} has no upcast from schema {schema} to {cls.SCHEMA}")
        return fields

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:  # type: ignore[override]
        """As calling the class. Raises ValidationError: what is written was checked when it was made."""
        return cls(**values)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, made anew. Raises ValidationError when they do not validate."""
        values = deepcopy(dict(self)) if deep else dict(self)
        return type(self)(**{**values, **(update or {})})


class Context(NamedTuple):
    """Who acts, for which tenant, when and why: the columns that every fact of one decision shares.

    A named tuple, as `Event` is: as immutable as a frozen dataclass, and made in a third of the time (measured), which
    a replay notices.
    """

    tenant: str
    actor: str
    """Opaque id of a key, a worker or the operator; never a name or an address."""
    occurred_at: datetime
    """The injected clock's time. Logic uses this one; the database adds `recorded_at`."""
    correlation: UUID | None = None
    """The request or task all facts of one undertaking share."""
    causation: UUID | None = None
    """The event that led to this one."""
    trace: str | None = None
    """W3C trace id, 32 hex digits."""


class Event(NamedTuple):
    """A fact at its place in a stream, with every column the ledger keeps of it."""

    stream: str
    version: int
    event_id: UUID
    context: Context
    fact: Fact
    position: int | None = None
    """Place in the ledger's one order, dense from 1; None until recorded."""
    recorded_at: datetime | None = None
    """The database's clock at the append; never runs backwards along positions; None until recorded."""

    @property
    def originator_id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def originator_version(self) -> int:
        """The version, by the event sourcing library's name."""
        return self.version


@dataclass(frozen=True, slots=True)
class Decision:
    """The events of one decision and the heads it was decided on. It is accepted whole or refused whole."""

    events: tuple[Event, ...]
    heads: Mapping[str, int]
    """Every stream read or written, with the version it had (0: it did not exist)."""

    @classmethod
    def of(
        cls,
        facts: Sequence[tuple[str, Fact]],
        *,
        heads: Mapping[str, int],
        context: Context,
        new_id: NewId,
    ) -> "Decision":
        """Numbers `facts`, given as (stream, fact) in their order, behind `heads`.

        A written stream missing from `heads` must not exist yet: its head is taken as 0.
        """
        seen = dict(heads)
        last: dict[str, int] = {}
        events = []
        for stream, fact in facts:
            last[stream] = version = last.get(stream, seen.setdefault(stream, 0)) + 1
            events.append(Event(stream, version, new_id(), context, fact))
        return cls(tuple(events), seen)

    @property
    def written(self) -> frozenset[str]:
        """The streams this decision writes."""
        return frozenset(event.stream for event in self.events)


class Appended(NamedTuple):
    """The ledger's answer to an accepted decision. A retry of the same events gets the first answer again."""

    first_position: int
    recorded_at: datetime
    replayed: bool


def last_version(events: Iterable[Event]) -> int:
    """The version of the last event, 0 when there is none."""
    version = 0
    for event in events:
        version = event.version
    return version

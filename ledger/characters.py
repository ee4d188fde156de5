"""A character, folded from its facts. Pure.

    requested ─ created | refused | unknown

The outcome is recorded once. Without one after the deadline it is unknown, too: whoever asked the renderer died, or
could not record what it heard.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from ledger.envelope import Event
from ledger.events import CharacterCreated, CharacterRefused, CharacterRequested, CharacterUnknown
from ledger.lifecycle import ImpossibleStep

Outcome = CharacterCreated | CharacterRefused | CharacterUnknown
Status = Literal["in_progress", "created", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """A character, as far as its facts know."""

    stream: str
    version: int
    tenant: str
    requested: CharacterRequested
    created_at: datetime
    """When it was asked for."""
    outcome: Outcome | None = None
    correlation: UUID | None = None
    trace: str | None = None
    last_event_id: UUID

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    def status(self, now: datetime) -> Status:
        """How it stands."""
        match self.outcome:
            case CharacterCreated():
                return "created"
            case CharacterRefused():
                return "failed"
            case CharacterUnknown():
                return "unknown"
            case None:
                return "in_progress" if now < self.requested.deadline_at else "unknown"


def fold(state: Character | None, events: Iterable[Event]) -> Character | None:
    """The character after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: Character | None, event: Event) -> Character:
    """The character after one more event. Raises lifecycle.ImpossibleStep when it cannot come next."""
    fact = event.fact
    last_version = state.version if state else 0
    if event.version != last_version + 1:
        raise ImpossibleStep(f"version {event.version} after {last_version} in {event.stream}")
    if state is None and isinstance(fact, CharacterRequested):
        context = event.context
        return Character(
            stream=event.stream,
            version=event.version,
            tenant=context.tenant,
            requested=fact,
            created_at=context.occurred_at,
            correlation=context.correlation,
            trace=context.trace,
            last_event_id=event.event_id,
        )
    if state is not None and state.outcome is None and isinstance(fact, Outcome):
        return replace(state, version=event.version, outcome=fact, last_event_id=event.event_id)
    raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")

"""The erasure of a requester, folded from its facts. Pure.

    decided ─ erased

Between the two its key is destroyed, and each of its renders is told so in the render's own stream. That of a single
render is part of the render's life (`ledger.lifecycle`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ledger import events as e
from ledger.envelope import Event
from ledger.lifecycle import ImpossibleStep


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure, as far as its facts know."""

    stream: str
    version: int
    tenant: str
    decided: e.ErasureDecided
    decided_at: datetime
    decided_with: str
    """Public id of the API key it was asked with."""
    last_event_id: UUID
    erased_at: datetime | None = None
    """When all of it was carried out."""

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.erased_at is not None


def fold(state: Erasure | None, events: Iterable[Event]) -> Erasure | None:
    """The erasure after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: Erasure | None, event: Event) -> Erasure:
    """The erasure after one more event. Raises lifecycle.ImpossibleStep when it cannot come next."""
    fact, context = event.fact, event.context
    if event.version != (state.version if state else 0) + 1:
        raise ImpossibleStep(f"version {event.version} is out of order in {event.stream}")
    if state is None and isinstance(fact, e.ErasureDecided):
        return Erasure(
            event.stream, event.version, context.tenant, fact, context.occurred_at, context.actor, event.event_id
        )
    if state is not None and not state.is_done and isinstance(fact, e.SubjectErased):
        return replace(state, version=event.version, erased_at=context.occurred_at, last_event_id=event.event_id)
    raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")

"""A change that takes four eyes, folded from its facts. Pure.

    proposed ─ approved ─ made
            └─ denied

The same change may be proposed anew once it was made or denied, or its time is over.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from ledger import events as e
from ledger.envelope import Event
from ledger.lifecycle import ImpossibleStep

State = Literal["proposed", "approved", "denied", "made"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it was proposed last."""

    stream: str
    version: int
    proposed: e.ChangeProposed
    proposed_with: str
    """Public id of the API key it was proposed with."""
    proposed_at: datetime
    state: State
    last_event_id: UUID
    approver: str | None = None

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    def is_over(self, now: datetime) -> bool:
        """Whether the time to approve and make it has passed."""
        return now >= self.proposed.expires_at


def fold(state: Change | None, events: Iterable[Event]) -> Change | None:
    """The change after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: Change | None, event: Event) -> Change:
    """The change after one more event. Raises ImpossibleStep when it cannot come next."""
    fact = event.fact
    if event.version != (state.version if state else 0) + 1:
        raise ImpossibleStep(f"version {event.version} is out of order in {event.stream}")
    if isinstance(fact, e.ChangeProposed):
        context = event.context
        return Change(event.stream, event.version, fact, context.actor, context.occurred_at, "proposed", event.event_id)
    moved = replace(state, version=event.version, last_event_id=event.event_id) if state else None
    if moved is not None and moved.state == "proposed" and isinstance(fact, e.ChangeApproved):
        return replace(moved, state="approved", approver=fact.approver)
    if moved is not None and moved.state == "proposed" and isinstance(fact, e.ChangeDenied):
        return replace(moved, state="denied", approver=fact.approver)
    if moved is not None and moved.state == "approved" and isinstance(fact, e.ChangeMade):
        return replace(moved, state="made")
    raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")

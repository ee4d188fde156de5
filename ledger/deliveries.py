"""One delivery: telling one endpoint of one event, folded from its facts. Pure.

scheduled ─ attempted … ─ attempted (delivered) | given_up
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger import events as e
from ledger.envelope import Event
from ledger.lifecycle import ImpossibleStep


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery, folded from its facts."""

    stream: str
    version: int
    tenant: str
    scheduled: e.DeliveryScheduled
    scheduled_at: datetime
    state: State = State.PENDING
    attempts: int = 0
    http_status: int | None = None
    """Of the last answer; None when the last attempt had none, or before the first."""
    code: str | None = None
    """What went wrong the last time."""
    retry_at: datetime | None = None
    """When it is tried again; None: at once, or never."""
    last_event_id: UUID
    correlation: UUID | None = None
    trace: str | None = None

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.state is not State.PENDING


def fold(state: Delivery | None, events: Iterable[Event]) -> Delivery | None:
    """The delivery after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: Delivery | None, event: Event) -> Delivery:
    """The delivery after one more event. Raises lifecycle.ImpossibleStep when it cannot come next."""
    fact = event.fact
    last_version = state.version if state else 0
    if event.version != last_version + 1:
        raise ImpossibleStep(f"version {event.version} after {last_version} in {event.stream}")
    if state is None:
        if not isinstance(fact, e.DeliveryScheduled):
            raise ImpossibleStep(f"{fact.TYPE} before delivery.scheduled in {event.stream}")
        return _scheduled(event, fact)
    if state.ended:
        raise ImpossibleStep(f"{fact.TYPE} after the end of {event.stream}")
    after = replace(state, version=event.version, last_event_id=event.event_id)
    if isinstance(fact, e.DeliveryGivenUp):
        return replace(after, state=State.GIVEN_UP, retry_at=None)
    if isinstance(fact, e.DeliveryAttempted) and fact.attempt == state.attempts + 1:
        return _attempted(after, fact)
    raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")


def _scheduled(event: Event, fact: e.DeliveryScheduled) -> Delivery:
    context = event.context
    return Delivery(
        stream=event.stream,
        version=event.version,
        tenant=context.tenant,
        scheduled=fact,
        scheduled_at=context.occurred_at,
        last_event_id=event.event_id,
        correlation=context.correlation,
        trace=context.trace,
    )


def _attempted(state: Delivery, fact: e.DeliveryAttempted) -> Delivery:
    return replace(
        state,
        state=State.DELIVERED if fact.delivered else State.PENDING,
        attempts=fact.attempt,
        http_status=fact.http_status,
        code=fact.code,
        retry_at=fact.retry_at,
    )

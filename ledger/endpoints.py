"""A webhook endpoint, folded from its facts. Pure.

    created ─ updated, secret_rotated … ─ disabled ⇄ enabled ─ deleted

`deleted` is the end. A disabled endpoint can still be changed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger import events as e
from ledger.envelope import Event, Fact, Sealed
from ledger.events.endpoints import DisabledReason
from ledger.lifecycle import ImpossibleStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a project is told of what happens to its renders."""

    stream: str
    version: int
    tenant: str
    endpoint_id: str
    project: str
    requester: str
    name: Sealed
    url: Sealed
    event_types: tuple[str, ...]
    secret: Sealed
    secret_hint: str
    old_secret: Sealed | None = None
    """Signed with as well until `old_secret_until`."""
    old_secret_until: datetime | None = None
    created_at: datetime
    updated_at: datetime
    """Of the last change of configuration or secret; of the creation until then."""
    disabled: DisabledReason | None = None
    """Why it is told nothing; None while it is told."""
    deleted: bool = False
    last_event_id: UUID

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def live(self) -> bool:
        """Whether it is told of what happens."""
        return not self.deleted and self.disabled is None

    def secrets(self, now: datetime) -> tuple[Sealed, ...]:
        """What a delivery is signed with now, the newest first."""
        if self.old_secret is None or self.old_secret_until is None or now >= self.old_secret_until:
            return (self.secret,)
        return self.secret, self.old_secret


def fold(state: Endpoint | None, events: Iterable[Event]) -> Endpoint | None:
    """The endpoint after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: Endpoint | None, event: Event) -> Endpoint:
    """The endpoint after one more event. Raises lifecycle.ImpossibleStep when it cannot come next."""
    fact = event.fact
    last_version = state.version if state else 0
    if event.version != last_version + 1:
        raise ImpossibleStep(f"version {event.version} after {last_version} in {event.stream}")
    if state is None:
        if not isinstance(fact, e.EndpointCreated):
            raise ImpossibleStep(f"{fact.TYPE} before endpoint.created in {event.stream}")
        return _created(event, fact)
    change = _CHANGES.get(type(fact))
    if state.deleted or change is None:
        raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")
    changed = change(state, fact, event.context.occurred_at)
    return replace(state, version=event.version, last_event_id=event.event_id, **changed)


def _created(event: Event, fact: e.EndpointCreated) -> Endpoint:
    at = event.context.occurred_at
    return Endpoint(
        stream=event.stream,
        version=event.version,
        tenant=event.context.tenant,
        endpoint_id=fact.endpoint_id,
        project=fact.project,
        requester=fact.requester,
        name=fact.name,
        url=fact.url,
        event_types=fact.event_types,
        secret=fact.secret,
        secret_hint=fact.secret_hint,
        created_at=at,
        updated_at=at,
        last_event_id=event.event_id,
    )


_Change = dict[str, Any]


def _updated(_state: Endpoint, fact: e.EndpointUpdated, at: datetime) -> _Change:
    given = {"name": fact.name, "url": fact.url, "event_types": fact.event_types}
    return {"updated_at": at, **{field: value for field, value in given.items() if value is not None}}


def _rotated(state: Endpoint, fact: e.EndpointSecretRotated, at: datetime) -> _Change:
    kept = fact.old_secret_until is not None
    return {
        "secret": fact.secret,
        "secret_hint": fact.secret_hint,
        "old_secret": state.secret if kept else None,
        "old_secret_until": fact.old_secret_until,
        "updated_at": at,
    }


_CHANGES: dict[type[Fact], Callable[[Endpoint, Any, datetime], _Change]] = {
    e.EndpointUpdated: _updated,
    e.EndpointSecretRotated: _rotated,
    e.EndpointDisabled: lambda _s, f, _at: {"disabled": f.reason},
    e.EndpointEnabled: lambda _s, _f, _at: {"disabled": None},
    e.EndpointDeleted: lambda _s, _f, _at: {"deleted": True},
}

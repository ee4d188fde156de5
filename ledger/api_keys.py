"""An API key, folded from its facts. Pure.

    issued ─ rotated ─ revoked

Neither is needed and each happens once; nothing follows `revoked`. Meanwhile the right to approve may be delegated to
it. A key whose time is over ends without a fact.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ledger import events as e
from ledger.envelope import Event, Fact, Sealed
from ledger.events.governance import Role
from ledger.lifecycle import ImpossibleStep

Status = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What opens the doors of one project, as far as its roles go."""

    stream: str
    version: int
    tenant: str
    key_id: str
    project: str
    requester: str
    digest: str = field(repr=False)
    name: Sealed | None
    roles: tuple[Role, ...]
    spans_tenant: bool
    may_assert_requester: bool
    issued_at: datetime
    expires_at: datetime | None
    """From when on it is not accepted; a rotation brings it forward."""
    revoked_at: datetime | None = None
    replaces: str | None
    replaced_by: str | None = None
    approver_until: datetime | None = None
    """Until when it may approve in another one's place."""
    last_event_id: UUID

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    def status(self, now: datetime) -> Status:
        """Whether it is accepted now, and if not, why."""
        return status(self.expires_at, self.revoked_at, now)


def status(expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> Status:
    """How a key stands that ends and was revoked at these times."""
    if revoked_at is not None:
        return "revoked"
    return "expired" if expires_at is not None and now >= expires_at else "active"


def fold(state: ApiKey | None, events: Iterable[Event]) -> ApiKey | None:
    """The key after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: ApiKey | None, event: Event) -> ApiKey:
    """The key after one more event. Raises lifecycle.ImpossibleStep when it cannot come next."""
    fact = event.fact
    last_version = state.version if state else 0
    if event.version != last_version + 1:
        raise ImpossibleStep(f"version {event.version} after {last_version} in {event.stream}")
    if state is None:
        if not isinstance(fact, e.KeyIssued):
            raise ImpossibleStep(f"{fact.TYPE} before key.issued in {event.stream}")
        return _issued(event, fact)
    change = _CHANGES.get(type(fact))
    again = isinstance(fact, e.KeyRotated) and state.replaced_by is not None
    if state.revoked_at is not None or change is None or again:
        raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")
    changed = change(state, fact, event.context.occurred_at)
    return replace(state, version=event.version, last_event_id=event.event_id, **changed)


def _issued(event: Event, fact: e.KeyIssued) -> ApiKey:
    return ApiKey(
        stream=event.stream,
        version=event.version,
        tenant=event.context.tenant,
        key_id=fact.key_id,
        project=fact.project,
        requester=fact.requester,
        digest=fact.digest,
        name=fact.name,
        roles=fact.roles,
        spans_tenant=fact.spans_tenant,
        may_assert_requester=fact.may_assert_requester,
        issued_at=event.context.occurred_at,
        expires_at=fact.expires_at,
        replaces=fact.replaces,
        last_event_id=event.event_id,
    )


_Change = dict[str, Any]


def _rotated(state: ApiKey, fact: e.KeyRotated, _at: datetime) -> _Change:
    ends = fact.expires_at if state.expires_at is None else min(state.expires_at, fact.expires_at)
    return {"expires_at": ends, "replaced_by": fact.new_key_id}


_CHANGES: dict[type[Fact], Callable[[ApiKey, Any, datetime], _Change]] = {
    e.KeyRotated: _rotated,
    e.KeyDelegated: lambda _s, f, _at: {"approver_until": f.expires_at},
    e.KeyRevoked: lambda _s, _f, at: {"revoked_at": at},
}

"""The legal holds of a tenant, folded from its one stream of them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ledger import events as e
from ledger import streams
from ledger.envelope import Event
from ledger.events.erasure import HoldScope
from ledger.lifecycle import ImpossibleStep
from ledger.render import Render


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that is in force."""

    placed: e.HoldPlaced
    placed_at: datetime
    placed_with: str
    """Public id of the API key it was placed with."""

    def covers(self, render: Render) -> bool:
        """Whether it keeps this render and what belongs to it."""
        intent, subject = render.intent, self.placed.subject
        match self.placed.scope:
            case "render":
                return intent.video_id == subject
            case "requester":
                return intent.requester == subject
            case "project":
                return intent.project == subject
            case "tenant":
                return True


@dataclass(frozen=True, slots=True)
class Holds:
    """All holds of a tenant that are in force."""

    stream: str
    version: int = 0
    standing: Mapping[str, Hold] = field(default_factory=dict)
    """By their ids, in the order they were placed."""

    @classmethod
    def none(cls, tenant: str) -> "Holds":
        """Of a tenant that never had one."""
        return cls(streams.holds(tenant))

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def head(self) -> dict[str, int]:
        """What a decision that removes something relies on: no hold came meanwhile."""
        return {self.stream: self.version}

    def covering(self, render: Render) -> list[str]:
        """The ids of the holds that keep a render."""
        return [hold_id for hold_id, hold in self.standing.items() if hold.covers(render)]

    def of_requester(self, requester: str) -> list[str]:
        """The ids of the holds that keep everything of a requester, whatever it is."""
        return self._on("requester", requester)

    def of_project(self, project: str) -> list[str]:
        """The ids of the holds that keep everything of a project, whatever it is."""
        return self._on("project", project)

    def _on(self, scope: HoldScope, subject: str) -> list[str]:
        """The ids of the holds on this one, or on the whole tenant."""
        whole = {("tenant", None), (scope, subject)}
        return [each for each, hold in self.standing.items() if (hold.placed.scope, hold.placed.subject) in whole]


def fold(state: Holds | None, events: Iterable[Event]) -> Holds | None:
    """The holds after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: Holds | None, event: Event) -> Holds:
    """The holds after one more event. Raises lifecycle.ImpossibleStep when it cannot come next."""
    fact, context = event.fact, event.context
    known = state or Holds(event.stream)
    if event.version != known.version + 1:
        raise ImpossibleStep(f"version {event.version} is out of order in {event.stream}")
    if isinstance(fact, e.HoldPlaced) and fact.hold_id not in known.standing:
        placed = Hold(fact, context.occurred_at, context.actor)
        return replace(known, version=event.version, standing={**known.standing, fact.hold_id: placed})
    if isinstance(fact, e.HoldLifted) and fact.hold_id in known.standing:
        left = {hold_id: hold for hold_id, hold in known.standing.items() if hold_id != fact.hold_id}
        return replace(known, version=event.version, standing=left)
    raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")

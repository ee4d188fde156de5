"""From a decision to the ledger: who, when and why on drafted facts; the append; deciding again on a conflict."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from bickford_sora.decisions.drafts import Draft
from ledger import lifecycle
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.envelope import Appended, Context, Decision
from ledger.errors import Conflict
from ledger.identifiers import NewId
from ledger.lifecycle import Render

DECIDE_ATTEMPTS_MAX = 20
"""How often a decision is taken again because a stream moved on, before the conflict is passed on."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an undertaking began: what its facts share."""

    tenant: str
    actor: str
    correlation: UUID | None = None
    causation: UUID | None = None
    trace: str | None = None

    @classmethod
    def of(cls, render: Render, actor: str) -> "Origin":
        """What a worker does for a render: caused by its newest fact, part of the request that asked for it."""
        return cls(render.tenant, actor, render.correlation, render.last_event_id, render.trace)


class Recording:
    """Appends drafts. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, *, clock: Clock, new_id: NewId) -> None:
        self.ledger = ledger
        self.clock = clock
        self.new_id = new_id

    def append(self, draft: Draft, origin: Origin, *, on: Render | None = None) -> Appended:
        """Appends a draft once. Raises Conflict, Refused or Unavailable (`ledger.errors`).

        `on` is the render it was decided on: a fact that cannot follow it raises ImpossibleStep here, since once it
        was appended nobody could fold the stream any more.
        """
        context = Context(origin.tenant, origin.actor, self.clock(), origin.correlation, origin.causation, origin.trace)
        decision = Decision.of(draft.facts, heads=draft.heads, context=context, new_id=self.new_id)
        if on is not None:
            lifecycle.fold(on, [event for event in decision.events if event.stream == on.stream])
        return self.ledger.append(decision)

    def render(self, stream: str) -> Render:
        """The render of a stream that must exist."""
        render = self.ledger.render(stream)
        assert render is not None, f"{stream} has no facts"  # noqa: S101 - the caller got the stream from the ledger
        return render

    def decide(self, stream: str, actor: str, decision: Callable[[Render], Draft]) -> Render:
        """Takes a decision on a render and appends it, again from its new state when it moved on meanwhile.

        Returns the render as it then is. Raises Conflict when it never stood still.
        """
        for attempt in range(DECIDE_ATTEMPTS_MAX):
            render = self.render(stream)
            draft = decision(render)
            if not draft:
                return render
            try:
                self.append(draft, Origin.of(render, actor), on=render)
            except Conflict:
                if attempt == DECIDE_ATTEMPTS_MAX - 1:
                    raise
                continue
            return self.render(stream)
        raise AssertionError("unreachable")

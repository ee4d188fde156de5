"""From a decision to the ledger: who, when and why on drafted facts; the append; deciding again on a conflict."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from uuid import UUID

from bickford_sora.decisions import budgets
from bickford_sora.decisions.drafts import Draft
from bickford_sora.side_by_side import result
from bickford_sora.spending import Spending, Take
from ledger import lifecycle, streams
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.envelope import Context, Decision, Event, Fact
from ledger.errors import Conflict, LedgerError
from ledger.identifiers import NewId
from ledger.render import Render
from ledger.spend import Periods, Spend

DECIDE_ATTEMPTS_MAX = 20
"""How often a decision is taken again because a stream moved on, before the conflict is passed on."""


TakeAt = Callable[[Spend, Periods], Draft]
"""Decides on the spend as it is, on this day and in this minute. Pure."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision on the spend that somebody wants taken."""

    take: TakeAt
    origin: "Origin"
    on: Render | None = None
    """The source whose stream the draft writes."""


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

    def __init__(self, ledger: Ledger, *, clock: Clock, new_id: NewId, zone: tzinfo = UTC) -> None:
        """`zone` is the tenants' time zone: in it days and months begin."""
        self.ledger = ledger
        self.clock = clock
        self.new_id = new_id
        self._zone = zone
        self._spending: dict[str, Spending] = {}

    def append(self, draft: Draft, origin: Origin, *, on: Render | None = None) -> tuple[Event, ...]:
        """Appends a draft once, and returns its events. Raises Conflict, Refused or Unavailable (`ledger.errors`).

        `on` is the render it was decided on: a fact that cannot follow it raises ImpossibleStep here, since once it
        was appended nobody could fold the stream any more. What the facts mean for the render's reservation goes
        with them: they complete it, or end it, and its money is settled or released, in one append.
        """
        context = self._context(origin)
        decision = Decision.of(draft.facts, heads=draft.heads, context=context, new_id=self.new_id)
        if on is not None:
            then = after(on, decision.events)
            facts = [event.fact for event in decision.events if event.stream == on.stream]
            if budgets.concerns_money(on, then, facts):
                return self._append_with_money(draft, context, on, then, facts)
        self.ledger.append(decision)
        return decision.events

    async def append_all(self, drafts: Sequence[tuple[Draft, Origin]]) -> list[LedgerError | None]:
        """Appends drafts that know nothing of each other and are about no render, from an event loop.

        The error of each, None where it was recorded.
        """
        decisions = [
            Decision.of(draft.facts, heads=draft.heads, context=self._context(origin), new_id=self.new_id)
            for draft, origin in drafts
        ]
        return [each if isinstance(each, LedgerError) else None for each in await self.ledger.append_all(decisions)]

    def on_spend(self, take: TakeAt, origin: Origin, *, on: Render | None = None) -> tuple[Event, ...]:
        """Decides on the spend as it is, in turn with everybody else who does, and appends what was decided.

        Returns its events, none when it decided nothing. Raises as `append` does; `on` as in `Wanted`.
        """
        [events] = self.on_spend_all([Wanted(take, origin, on)])
        return result(events)

    def on_spend_all(self, wanted: Sequence[Wanted]) -> list[tuple[Event, ...] | Exception]:
        """As `on_spend` for each, in as few appends as can be."""
        recorded: dict[int, tuple[Event, ...] | Exception] = {}
        for tenant in {each.origin.tenant for each in wanted}:
            mine = [number for number, each in enumerate(wanted) if each.origin.tenant == tenant]
            events = self.spending(tenant).append_all([self._checked(wanted[number]) for number in mine])
            recorded.update(zip(mine, events, strict=True))
        return [recorded[number] for number in range(len(wanted))]

    def _checked(self, wanted: Wanted) -> tuple[Take, Context]:
        context, on = self._context(wanted.origin), wanted.on
        periods = budgets.periods(context.occurred_at, self._zone)

        def take(spend: Spend) -> Draft:
            draft = wanted.take(spend, periods)
            if on is not None and draft:
                decision = Decision.of(draft.facts, heads=draft.heads, context=context, new_id=self.new_id)
                after(on, decision.events)
            return draft

        return take, context

    def spending(self, tenant: str) -> Spending:
        """The one decider of a tenant's spend in this process."""
        return self._spending.setdefault(tenant, Spending(self.ledger, tenant, new_id=self.new_id))

    def periods(self, at: datetime | None = None) -> Periods:
        """The day and the minute of a moment; None: of now."""
        return budgets.periods(at or self.clock(), self._zone)

    def local_now(self) -> datetime:
        """The moment it is, in the tenant's time zone."""
        return self.clock().astimezone(self._zone)

    def _append_with_money(
        self, draft: Draft, context: Context, on: Render, then: Render, facts: Sequence[Fact]
    ) -> tuple[Event, ...]:
        stream = streams.spend(then.tenant)
        day = budgets.periods(context.occurred_at, self._zone).day

        def take(spend: Spend) -> Draft:
            money = [(stream, fact) for fact in budgets.consequences(on, then, facts, spend, day=day)]
            return Draft((*draft.facts, *money), draft.heads)

        return self.spending(then.tenant).append(take, context)

    def _context(self, origin: Origin) -> Context:
        return Context(origin.tenant, origin.actor, self.clock(), origin.correlation, origin.causation, origin.trace)

    def render(self, stream: str) -> Render:
        """The render of a stream that must exist."""
        render = self.ledger.render(stream)
        assert render is not None, f"{stream} has no facts"  # noqa: S101 - the caller got the stream from the ledger
        return render

    def decide(
        self, stream: str, actor: str, decision: Callable[[Render], Draft], *, known: Render | None = None
    ) -> Render:
        """Takes a decision on a render and appends it, again from its new state when it moved on meanwhile.

        `known` is the render as it was read just now; else it is read. Returns the render as it then is. Raises
        Conflict when it never stood still.
        """
        for attempt in range(DECIDE_ATTEMPTS_MAX):
            render, known = known or self.render(stream), None
            draft = decision(render)
            if not draft:
                return render
            try:
                return after(render, self.append(draft, Origin.of(render, actor), on=render))
            except Conflict:
                if attempt == DECIDE_ATTEMPTS_MAX - 1:
                    raise
        raise AssertionError("unreachable")


def after(render: Render, events: Iterable[Event]) -> Render:
    """The render behind those of these events that are its own. Raises ImpossibleStep when they cannot follow."""
    return lifecycle.fold(render, [event for event in events if event.stream == render.stream]) or render

"""Deciding what a render may cost: every cap that applies must hold. What is set aside is settled or released once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from bickford_sora.decisions import settlement
from ledger.envelope import Fact
from ledger.events import (
    BudgetOverrun,
    BudgetThreshold,
    Money,
    RenderCompleted,
    Reported,
    SpendAdjusted,
    SpendReleased,
    SpendReserved,
    SpendSettled,
)
from ledger.render import Render
from ledger.spend import Budget, Periods, Reservation, Spend, Window, reservation

RATES: frozenset[Window] = frozenset({"in_flight", "minute"})
"""Windows that open again by themselves: whoever meets such a cap may ask again."""
PERCENT = 100


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A cap that does not hold, and by how much."""

    budget: Budget
    used: int
    asked: int
    is_closed: bool = False
    """Whether an overrun closed it."""

    @property
    def headroom(self) -> int:
        """What is left, in the budget's unit; never below 0."""
        return 0 if self.is_closed else max(0, self.budget.cap - self.used)

    @property
    def is_rate(self) -> bool:
        """Whether it passes by itself."""
        return self.budget.window in RATES and not self.is_closed


@dataclass(frozen=True, slots=True)
class UnknownPrice:
    """A cap of money that cannot be held, because nobody knows what this costs in its currency."""

    budget: Budget


def periods(at: datetime, zone: tzinfo) -> Periods:
    """The day of a moment in the tenant's time zone, and its minute in UTC. `at` is aware."""
    return Periods(at.astimezone(zone).strftime("%Y-%m-%d"), at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M"))


def short_of(spend: Spend, wanted: SpendReserved) -> Shortfall | UnknownPrice | None:
    """The cap that stands in the way of a reservation, None when all hold.

    Of several the one that does not pass by itself, and of those the one with least left.
    """
    asked = reservation(wanted)
    found = [each for each in (_short(spend, budget, asked) for budget in applying(spend, asked.scopes)) if each]
    return min(found, key=_severity, default=None)


def applying(spend: Spend, scopes: Sequence[str], *, hard: bool = True) -> Iterator[Budget]:
    """The budgets that hold for these scopes, by their ids."""
    for budget_id in sorted(spend.budgets):
        budget = spend.budgets[budget_id]
        if budget.scope in scopes and (budget.hard or not hard):
            yield budget


def reserved(spend: Spend, wanted: SpendReserved) -> list[Fact]:
    """The reservation, and the thresholds it passes."""
    asked = reservation(wanted)
    amounts = dict(asked.numbers())
    passed: list[Fact] = []
    for budget in applying(spend, asked.scopes, hard=False):
        period = asked.periods.of(budget.window)
        used = spend.use(budget, asked.periods) + amounts.get(budget.unit, 0)
        passed += [
            BudgetThreshold(budget_id=budget.budget_id, scope=budget.scope, percent=percent, period=period)
            for percent in budget.thresholds
            if used * PERCENT >= budget.cap * percent and (budget.budget_id, period, percent) not in spend.told
        ]
    return [wanted, *passed]


def concerns_money(before: Render, after: Render, facts: Sequence[Fact]) -> bool:
    """Whether facts that lead from one state of a render to another change what is reserved or was spent for it."""
    if any(isinstance(fact, RenderCompleted) for fact in facts) or after.written_off > before.written_off:
        return True
    was_open = not before.ended or before.submission_open
    return was_open and after.ended and not after.submission_open


def consequences(
    after: Render, facts: Sequence[Fact], spend: Spend, *, more_jobs: int = 0, day: str = ""
) -> list[Fact]:
    """What the newest facts of a render mean for its reservation. `after` is the render behind them.

    A completed job is settled at what its renderer reports, by the price it was allowed at. An end without one releases
    what was set aside, unless a job was, or may have been, made that the renderer did not itself call failed: that is
    taken to be billed as quoted, and a correction can follow. So is each job that was written off.
    While it is open whether there is a job, the reservation stays. `more_jobs` were written off just now, on `day`.
    """
    video_id = after.intent.video_id
    open_ = spend.open.get(video_id)
    if open_ is None:
        return _billed_after_the_end(after, more_jobs, day)
    completed = next((fact for fact in facts if isinstance(fact, RenderCompleted)), None)
    if completed is not None:
        return settled(spend, video_id, _with_written_off(after, open_, _due(after, open_, completed.reported)))
    if not after.ended or after.submission_open:
        return _set_aside(spend, video_id, more_jobs * _quoted(after, open_.currency))
    if after.job is not None and not _failed_at_renderer(after):
        return settled(spend, video_id, _with_written_off(after, open_, _due(after, open_, None)))
    if after.written_off and open_.currency is not None:
        return settled(spend, video_id, _with_written_off(after, open_, Money(amount_micro=0, currency=open_.currency)))
    return [SpendReleased(video_id=video_id, cost=_cost(open_))]


def settled(spend: Spend, video_id: str, cost: Money | None) -> list[Fact]:
    """A reservation settled at what was billed; more than it is set aside first, and closes the budgets it breaks."""
    open_ = spend.open[video_id]
    if cost is None or open_.currency is None:
        return [SpendSettled(video_id=video_id)]
    settling = SpendSettled(video_id=video_id, cost=cost)
    excess = cost.amount_micro - open_.amount_micro
    set_aside = _set_aside(spend, video_id, excess)
    return [*set_aside[:1], settling, *set_aside[1:]]


def _set_aside(spend: Spend, video_id: str, amount_micro: int) -> list[Fact]:
    """So much more for a render, and the budgets that breaks; nothing for nothing."""
    open_ = spend.open[video_id]
    if amount_micro <= 0 or open_.currency is None:
        return []
    named = dict(scope.split(":", 1) for scope in open_.scopes if ":" in scope)
    more = SpendReserved(
        video_id=video_id,
        cost=Money(amount_micro=amount_micro, currency=open_.currency),
        renders=0,
        day=open_.periods.day,
        minute=open_.periods.minute,
        project=named.get("project"),
        requester=named.get("requester"),
        key_id=named.get("key"),
    )
    return [more, *_overrun(spend, open_, amount_micro)]


def _billed_after_the_end(render: Render, jobs: int, day: str) -> list[Fact]:
    """Jobs that turned up once the reservation had ended: booked as quoted, on the day it is known."""
    quote = render.allowed.quote if render.allowed else None
    if quote is None or jobs <= 0 or not quote.cost.amount_micro:
        return []
    intent = render.intent
    adjusted = SpendAdjusted(
        video_id=intent.video_id,
        cost=Money(amount_micro=jobs * quote.cost.amount_micro, currency=quote.cost.currency),
        project=intent.project,
        requester=intent.requester,
        key_id=render.asked_with,
        model=intent.model,
        renderer=render.allowed.renderer if render.allowed else None,
        purpose=intent.purpose,
        tags=intent.tags,
        day=day,
    )
    return [adjusted]


def _with_written_off(render: Render, open_: Reservation, cost: Money | None) -> Money | None:
    """A cost, and that of the jobs that were written off, each as quoted."""
    if cost is None or not render.written_off:
        return cost
    amount = cost.amount_micro + render.written_off * _quoted(render, open_.currency)
    return Money(amount_micro=amount, currency=cost.currency)


def _quoted(render: Render, currency: str | None) -> int:
    """What one job was quoted at, in millionths of a currency; 0 where it was not."""
    quote = render.quoted
    return quote.cost.amount_micro if quote is not None and quote.cost.currency == currency else 0


def _overrun(spend: Spend, open_: Reservation, excess: int) -> Iterator[Fact]:
    for budget in applying(spend, open_.scopes):
        over = spend.use(budget, open_.periods) + excess - budget.cap
        if budget.unit == open_.currency and over > 0 and budget.budget_id not in spend.closed:
            excess_of_cap = Money(amount_micro=over, currency=open_.currency)
            yield BudgetOverrun(budget_id=budget.budget_id, scope=budget.scope, excess=excess_of_cap)


def _short(spend: Spend, budget: Budget, asked: Reservation) -> Shortfall | UnknownPrice | None:
    amounts = dict(asked.numbers())
    if budget.unit not in amounts:
        return UnknownPrice(budget)
    used, wanted = spend.use(budget, asked.periods), amounts[budget.unit]
    if budget.budget_id in spend.closed:
        return Shortfall(budget, used, wanted, is_closed=True)
    return Shortfall(budget, used, wanted) if used + wanted > budget.cap else None


def _severity(found: Shortfall | UnknownPrice) -> tuple[bool, int]:
    if isinstance(found, UnknownPrice):
        return (False, -1)
    return found.is_rate, found.headroom


def _failed_at_renderer(render: Render) -> bool:
    return render.failure is not None and render.failure.failed_by == "renderer"


def _due(render: Render, open_: Reservation, reported: Reported | None) -> Money | None:
    """What is settled, in the currency of what was set aside; all of that where there is no such quote."""
    quote = render.allowed.quote if render.allowed else None
    if quote is None or quote.cost.currency != open_.currency:
        return _cost(open_)
    return settlement.due(quote, render.intent, reported)


def _cost(open_: Reservation) -> Money | None:
    return None if open_.currency is None else Money(amount_micro=open_.amount_micro, currency=open_.currency)

"""Deciding what a render may cost: every cap that applies must hold. What is set aside is settled or released once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from bickford_sora.decisions import late_charges, settlement
from ledger.envelope import Fact
from ledger.events import (
    BudgetOverrun,
    BudgetThreshold,
    Money,
    RenderCompleted,
    Reported,
    SpendReleased,
    SpendReserved,
    SpendSettled,
)
from ledger.render import Render
from ledger.spend import PERCENT, Budget, Periods, Reservation, Spend, Window, reservation, scopes

RATES: frozenset[Window] = frozenset({"in_flight", "minute"})
"""Windows that open again by themselves: whoever meets such a cap may ask again."""


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


def _counting(spend: Spend, made: Reservation, *, hard: bool = True) -> Iterator[Budget]:
    """The budgets that count what is set aside, or more of it: those of a minute only while it lasts."""
    lasts = spend.counts_minute(made.periods)
    return (each for each in applying(spend, made.scopes, hard=hard) if lasts or each.window != "minute")


def reserved(spend: Spend, wanted: SpendReserved) -> list[Fact]:
    """The reservation, and the thresholds it passes."""
    return [wanted, *_passed(spend, reservation(wanted))]


def concerns_money(before: Render, after: Render, facts: Sequence[Fact]) -> bool:
    """Whether facts that lead from one state of a render to another change what is reserved or was spent for it."""
    if any(isinstance(fact, RenderCompleted) for fact in facts) or late_charges.more_jobs(before, after):
        return True
    was_open = not before.ended or before.submission_open
    return was_open and after.ended and not after.submission_open


def consequences(before: Render, after: Render, facts: Sequence[Fact], spend: Spend, *, day: str = "") -> list[Fact]:
    """What facts that lead from one state of a render to another mean for its reservation, on `day`.

    A completed job is settled at what its renderer reports, by the price it was allowed at. An end without one releases
    what was set aside, unless a job was, or may have been, made that the renderer did not itself call failed: that is
    taken to be billed as quoted, and a correction can follow. So is each job that was written off.
    While it is open whether there is a job, the reservation stays. What is billed once it has ended is a correction.
    """
    video_id = after.intent.video_id
    open_ = spend.open.get(video_id)
    if open_ is None:
        return _after_the_end(before, after, facts, spend, day)
    completed = next((fact for fact in facts if isinstance(fact, RenderCompleted)), None)
    if completed is not None:
        return settled(spend, video_id, _with_written_off(after, open_, _due(after, open_, completed.reported)))
    if not after.ended or after.submission_open:
        more_jobs = late_charges.more_jobs(before, after)
        return _set_aside(spend, video_id, more_jobs * _quoted(after, open_.currency))
    if late_charges.billed(after):
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
    overruns = [fact for fact in set_aside if isinstance(fact, BudgetOverrun)]
    return [*(fact for fact in set_aside if not isinstance(fact, BudgetOverrun)), settling, *overruns]


def _set_aside(spend: Spend, video_id: str, amount_micro: int) -> list[Fact]:
    """So much more for a render, the thresholds it passes and the budgets it breaks; nothing for nothing."""
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
    return [more, *_passed(spend, reservation(more)), *_overrun(spend, open_, amount_micro)]


def _after_the_end(before: Render, after: Render, facts: Sequence[Fact], spend: Spend, day: str) -> list[Fact]:
    """What is billed once the reservation has ended, and the thresholds it passes."""
    adjusted = late_charges.booked(before, after, facts, day)
    if adjusted is None:
        return []
    counted = scopes(project=adjusted.project, key_id=adjusted.key_id, requester=adjusted.requester)
    more = Reservation(counted, Periods(day, ""), adjusted.cost.currency, adjusted.cost.amount_micro, 0, 0)
    passed = _passed(spend, more)
    return [adjusted, *(fact for fact in passed if spend.budgets[fact.budget_id].window not in RATES)]


def _passed(spend: Spend, more: Reservation) -> Iterator[BudgetThreshold]:
    """The thresholds that so much more passes, each told of once a period."""
    amounts = dict(more.numbers())
    for budget in _counting(spend, more, hard=False):
        period = more.periods.of(budget.window)
        used = spend.use(budget, more.periods) + amounts.get(budget.unit, 0)
        yield from (
            BudgetThreshold(budget_id=budget.budget_id, scope=budget.scope, percent=percent, period=period)
            for percent in budget.thresholds
            if used * PERCENT >= budget.cap * percent and (budget.budget_id, period, percent) not in spend.told
        )


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
    for budget in _counting(spend, open_):
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


def _due(render: Render, open_: Reservation, reported: Reported | None) -> Money | None:
    """What is settled, in the currency of what was set aside; all of that where there is no such quote."""
    quote = render.allowed.quote if render.allowed else None
    if quote is None or quote.cost.currency != open_.currency:
        return _cost(open_)
    return settlement.due(quote, render.intent, reported)


def _cost(open_: Reservation) -> Money | None:
    return None if open_.currency is None else Money(amount_micro=open_.amount_micro, currency=open_.currency)

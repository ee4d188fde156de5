"""What budgets have left for a render, before it and after it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bickford_sora.allowance import Allowance, MoneyLeft, RequestsLeft, tightest
from bickford_sora.decisions import budgets
from ledger.events import SpendReserved
from ledger.spend import RENDERS, SECONDS, Budget, Spend, reservation

LOOK_AGAIN_MS = 5_000
"""When a cap on what is in flight may have room again: nobody knows."""
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Room:
    """What one budget has left, in its unit."""

    budget: Budget
    period: str
    """The day, month or minute it counts in, else the window's name."""
    before: int
    """Never below 0."""
    asked: int | None
    """What the render needs of it; None where its price in this currency is not known."""
    is_closed: bool
    """Whether it was overrun, and takes nothing until it is set again."""

    @property
    def fits(self) -> bool:
        """Whether the render has room in it."""
        return self.asked is not None and self.asked <= self.before and not self.is_closed

    @property
    def after(self) -> int | None:
        """What is left when the render is taken, None when it does not fit."""
        return self.before - self.asked if self.fits and self.asked is not None else None

    @property
    def further(self) -> int | None:
        """How many more renders like this one would fit behind it, None where it needs nothing."""
        return self.after // self.asked if self.after is not None and self.asked else None


def rooms(spend: Spend, wanted: SpendReserved) -> list[Room]:
    """What every budget that counts a render has left for it, soft ones too, by their ids."""
    asked = reservation(wanted)
    amounts = dict(asked.numbers())
    found = []
    for budget in budgets.applying(spend, asked.scopes, hard=False):
        is_closed = budget.budget_id in spend.closed
        before = 0 if is_closed else max(0, budget.cap - spend.use(budget, asked.periods))
        period = asked.periods.of(budget.window)
        found.append(Room(budget, period, before, amounts.get(budget.unit), is_closed))
    return found


def binding(spend: Spend, wanted: SpendReserved) -> str | None:
    """The budget that stands in the way of a render, by its id; where all hold, the one that will be the first to.

    That is the hard one with room for the fewest more of the same. None where no budget ever will.
    """
    short = budgets.short_of(spend, wanted)
    if short is not None:
        return short.budget.budget_id
    left = [
        (each.further, each.budget.budget_id)
        for each in rooms(spend, wanted)
        if each.budget.hard and each.further is not None
    ]
    return min(left)[1] if left else None


def allowance(spend: Spend, wanted: SpendReserved, at: datetime, *, is_taken: bool) -> Allowance:
    """What hard budgets leave behind a decision that was taken on this spend at this moment.

    `is_taken`: whether the render was taken, and has its part already.
    """
    hard = [each for each in rooms(spend, wanted) if each.budget.hard]
    left = [(each.budget, (each.after or 0) if is_taken else each.before) for each in hard]
    reset_ms = {"in_flight": LOOK_AGAIN_MS, "minute": _left_of_minute_ms(max(wanted.minute, spend.minute), at)}
    requests = (
        RequestsLeft(budget.cap, remaining, reset_ms[budget.window])
        for budget, remaining in left
        if budget.unit == RENDERS and budget.window in budgets.RATES
    )
    return Allowance(tightest(*requests), _least_money(left))


def _least_money(left: Iterable[tuple[Budget, int]]) -> MoneyLeft | None:
    found = [
        MoneyLeft(budget.budget_id, remaining, budget.unit)
        for budget, remaining in left
        if budget.unit not in {RENDERS, SECONDS}
    ]
    return min(found, key=lambda each: each.remaining_micro, default=None)


def _left_of_minute_ms(minute: str, at: datetime) -> int:
    end = datetime.fromisoformat(minute).replace(tzinfo=UTC) + MINUTE
    return max(0, round((end - at).total_seconds() * 1000))

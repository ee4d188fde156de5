"""A tenant's spend, folded from its facts: what is set aside, what was spent, and the caps it is held to. Pure.

    reserved ─ settled      what a render cost; the rest of its reservation is free again
             └ released     nothing was billed

Every amount counts in the day its reservation was made, whenever it is settled, for four scopes: the tenant, the
project, the API key and the requester. Use is what was settled and what is still set aside.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ledger import events as e
from ledger.envelope import Event, Fact
from ledger.lifecycle import ImpossibleStep

Window = Literal["in_flight", "minute", "day", "month", "total"]
Unit = Literal["money", "renders", "seconds"]
TENANT = "tenant"
"""The scope of everything."""
RENDERS = "renders"
SECONDS = "seconds"
MONTH_CHARS = len("2026-11")
PERCENT = 100

Use = tuple[str, str, str]
"""What a number counts: the scope, the period, and the unit (`renders`, `seconds` or a currency)."""


@dataclass(frozen=True, slots=True)
class Periods:
    """The day (in the tenant's time zone) and the minute (in UTC) of a moment."""

    day: str
    minute: str

    def of(self, window: Window) -> str:
        """The period of a window that this moment lies in."""
        if window == "month":
            return self.day[:MONTH_CHARS]
        return {"day": self.day, "minute": self.minute}.get(window, window)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for one render."""

    scopes: tuple[str, ...]
    periods: Periods
    currency: str | None
    amount_micro: int
    renders: int
    seconds: int

    def numbers(self) -> Iterator[tuple[str, int]]:
        """The amount in each unit."""
        if self.currency is not None:
            yield self.currency, self.amount_micro
        yield RENDERS, self.renders
        yield SECONDS, self.seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap."""

    budget_id: str
    scope: str
    window: Window
    unit: str
    """`renders`, `seconds` or a currency."""
    cap: int
    """In millionths of the currency, or in renders or seconds."""
    hard: bool
    thresholds: tuple[int, ...]


@dataclass(slots=True)
class Spend:
    """The state of a tenant's spend. `evolve` changes it in place; decisions that may not last work on a `copy`."""

    stream: str
    version: int = 0
    budgets: dict[str, Budget] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Budgets that were overrun."""
    open: dict[str, Reservation] = field(default_factory=dict)
    """By video id."""
    used: dict[Use, int] = field(default_factory=dict)
    minute: str = ""
    """The latest one; the use of earlier minutes is forgotten."""
    minute_used: dict[Use, int] = field(default_factory=dict)
    told: set[tuple[str, str, int]] = field(default_factory=set)
    """Thresholds that were told of: budget, period, percent. A cap that is raised above what is used forgets them."""
    corrections: int = 0
    """How many there were: whoever compares what was spent with an invoice sees by it whether others corrected it."""

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    def copy(self) -> "Spend":
        """One that changes alone."""
        return Spend(
            self.stream,
            self.version,
            dict(self.budgets),
            set(self.closed),
            dict(self.open),
            dict(self.used),
            self.minute,
            dict(self.minute_used),
            set(self.told),
            self.corrections,
        )

    def use(self, budget: Budget, periods: Periods) -> int:
        """What of a budget is used, in its unit."""
        if budget.window == "minute":  # a clock that went back counts in the latest minute
            counted = (budget.scope, self.minute, budget.unit)
            return self.minute_used.get(counted, 0) if periods.minute <= self.minute else 0
        return self.used.get((budget.scope, periods.of(budget.window), budget.unit), 0)

    def counts_minute(self, periods: Periods) -> bool:
        """Whether a minute is still counted. What changes of a reservation of an earlier one counts in no minute."""
        return periods.minute >= self.minute


def scopes(*, project: str | None, key_id: str | None, requester: str | None) -> tuple[str, ...]:
    """The scopes that something counts for."""
    named = {"project": project, "key": key_id, "requester": requester}
    return (TENANT, *(f"{kind}:{name}" for kind, name in named.items() if name is not None))


def fold(state: Spend | None, events: Iterable[Event]) -> Spend | None:
    """The spend after `events`, which follow `state`. None while there are none."""
    for event in events:
        state = state if state is not None else Spend(event.stream)
        evolve(state, event.version, event.fact)
    return state


def evolve(state: Spend, version: int, fact: Fact) -> None:
    """Takes in one more fact. Raises ImpossibleStep when it cannot come next."""
    if version != state.version + 1:
        raise ImpossibleStep(f"version {version} after {state.version} in {state.stream}")
    change = _CHANGES.get(type(fact))
    if change is None:
        raise ImpossibleStep(f"{fact.TYPE} does not belong in {state.stream}")
    change(state, fact)
    state.version = version


def _reserved(state: Spend, fact: e.SpendReserved) -> None:
    made = reservation(fact)
    before = state.open.get(fact.video_id)
    _count(state, made, 1, is_excess=before is not None)
    state.open[fact.video_id] = made if before is None else _together(before, made, state.stream)


def reservation(fact: e.SpendReserved) -> Reservation:
    """What a fact sets aside."""
    return Reservation(
        scopes(project=fact.project, key_id=fact.key_id, requester=fact.requester),
        Periods(fact.day, fact.minute),
        fact.cost.currency if fact.cost else None,
        fact.cost.amount_micro if fact.cost else 0,
        fact.renders,
        fact.seconds,
    )


def _together(before: Reservation, more: Reservation, stream: str) -> Reservation:
    if (before.scopes, before.periods, before.currency) != (more.scopes, more.periods, more.currency):
        raise ImpossibleStep(f"an excess that counts elsewhere than its reservation in {stream}")
    return Reservation(
        before.scopes,
        before.periods,
        before.currency,
        before.amount_micro + more.amount_micro,
        before.renders + more.renders,
        before.seconds + more.seconds,
    )


def _settled(state: Spend, fact: e.SpendSettled) -> None:
    was = _closed(state, fact.video_id)
    if fact.cost is None or was.currency is None:
        return
    if fact.cost.currency != was.currency or fact.cost.amount_micro > was.amount_micro:
        raise ImpossibleStep(f"more settled than reserved for {fact.video_id} in {state.stream}")
    free = Reservation(was.scopes, was.periods, was.currency, was.amount_micro - fact.cost.amount_micro, 0, 0)
    _count(state, free, -1)


def _released(state: Spend, fact: e.SpendReleased) -> None:
    _count(state, _closed(state, fact.video_id), -1)


def _closed(state: Spend, video_id: str) -> Reservation:
    """Takes away a reservation; what it used stays counted, but not as in flight."""
    was = state.open.pop(video_id, None)
    if was is None:
        raise ImpossibleStep(f"nothing is reserved for {video_id} in {state.stream}")
    for scope in was.scopes:
        for unit, number in was.numbers():
            _add(state.used, (scope, "in_flight", unit), -number)
    return was


def _count(state: Spend, made: Reservation, sign: int, *, is_excess: bool = False) -> None:
    """Adds to, or takes from, everything a reservation counts for."""
    day, month = made.periods.day, made.periods.of("month")
    in_flight = ("in_flight",) if sign > 0 else ()
    for scope in made.scopes:
        for unit, number in made.numbers():
            for period in (day, month, "total", *in_flight):
                _add(state.used, (scope, period, unit), sign * number)
    if state.counts_minute(made.periods) or (sign > 0 and not is_excess):
        _count_minute(state, made, sign)


def _count_minute(state: Spend, made: Reservation, sign: int) -> None:
    if made.periods.minute > state.minute:
        state.minute, state.minute_used = made.periods.minute, {}
    for scope in made.scopes:
        for unit, number in made.numbers():
            _add(state.minute_used, (scope, state.minute, unit), sign * number)


def _add(numbers: dict[Use, int], what: Use, number: int) -> None:
    total = numbers.get(what, 0) + number
    if total:
        numbers[what] = total
    else:
        numbers.pop(what, None)


def _adjusted(state: Spend, fact: e.SpendAdjusted) -> None:
    """A correction counts in the day in which it is made, whenever its render was: what is closed does not change."""
    state.corrections += 1
    day = Periods(fact.day, "")
    for scope in scopes(project=fact.project, key_id=fact.key_id, requester=fact.requester):
        for period in (fact.day, day.of("month"), "total"):
            _add(state.used, (scope, period, fact.cost.currency), fact.cost.amount_micro)


def _budget_set(state: Spend, fact: e.BudgetSet) -> None:
    unit, cap = fact.unit if fact.cap is None else fact.cap.currency, fact.cap_count or 0
    state.budgets[fact.budget_id] = Budget(
        fact.budget_id,
        fact.scope,
        fact.window,
        unit,
        cap if fact.cap is None else fact.cap.amount_micro,
        fact.hard,
        fact.thresholds,
    )
    state.closed.discard(fact.budget_id)
    state.told = {each for each in state.told if each[0] != fact.budget_id or _is_reached(state, *each)}


def _is_reached(state: Spend, budget_id: str, period: str, percent: int) -> bool:
    """Whether a threshold that was told of is still reached under the cap there is now. A minute's never comes back."""
    budget = state.budgets[budget_id]
    used = state.used.get((budget.scope, period, budget.unit), 0)
    return budget.window != "minute" and used * PERCENT >= budget.cap * percent


def _budget_removed(state: Spend, fact: e.BudgetRemoved) -> None:
    if state.budgets.pop(fact.budget_id, None) is None:
        raise ImpossibleStep(f"no budget {fact.budget_id} in {state.stream}")
    state.closed.discard(fact.budget_id)


def _overrun(state: Spend, fact: e.BudgetOverrun) -> None:
    state.closed.add(fact.budget_id)


def _threshold(state: Spend, fact: e.BudgetThreshold) -> None:
    state.told.add((fact.budget_id, fact.period, fact.percent))


_CHANGES: Mapping[type[Fact], Callable[[Spend, Any], None]] = {
    e.SpendReserved: _reserved,
    e.SpendSettled: _settled,
    e.SpendReleased: _released,
    e.SpendAdjusted: _adjusted,
    e.BudgetSet: _budget_set,
    e.BudgetRemoved: _budget_removed,
    e.BudgetOverrun: _overrun,
    e.BudgetThreshold: _threshold,
}

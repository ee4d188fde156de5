"""Budgets, as an admin of the tenant sets and removes them (`/v1/budgets`), and how much of them is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bickford_sora.decisions import budget_setting as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import TryLater
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger.errors import Conflict
from ledger.spend import Budget, Periods, Spend


@dataclass(frozen=True, slots=True)
class BudgetNow:
    """A budget, and how much of it is used in its present period."""

    budget: Budget
    period: str
    """The day, month or minute it is now, else the window's name."""
    used: int
    """In the budget's unit."""
    is_closed: bool
    """Whether it was overrun, and takes nothing more until it is set again."""

    @property
    def headroom(self) -> int:
        """What is left, never below 0."""
        return 0 if self.is_closed else max(0, self.budget.cap - self.used)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Sets, shows and removes budgets. Safe to use from several threads.

    Every method raises `ledger.errors.Unavailable` when the database does not answer; those that change something also
    RoleMissing, and Unauthorized when the caller's key was revoked meanwhile.
    """

    recording: Recording

    def set(self, caller: Caller, budget_id: str, fields: Mapping[str, object], *, origin: Origin) -> BudgetNow:
        """Sets a budget, new or changed. Raises InvalidRequest and Conflicting."""
        decisions.check_manager(caller)
        asked = decisions.read(fields)
        decisions.checked_id(budget_id)
        self._decide(caller, lambda who, spend: decisions.set_to(who, spend, budget_id, asked), origin)
        return self.find(caller, budget_id)

    def remove(self, caller: Caller, budget_id: str, *, origin: Origin) -> None:
        """Removes a budget: it holds no longer. Raises NotFound."""
        decisions.check_manager(caller)
        self._decide(caller, lambda who, spend: decisions.removed(who, spend, budget_id), origin)

    def find(self, caller: Caller, budget_id: str) -> BudgetNow:
        """A budget the caller may see. Raises NotFound."""
        found = [each for each in self.all(caller) if each.budget.budget_id == budget_id]
        if not found:
            raise decisions.unknown()
        return found[0]

    def all(self, caller: Caller) -> list[BudgetNow]:
        """The budgets the caller may see, by their ids."""
        spend, periods = self.recording.spending(caller.tenant).now(), self.recording.periods()
        shown = (budget for _, budget in sorted(spend.budgets.items()) if decisions.sees(caller, budget))
        return [_now(spend, budget, periods) for budget in shown]

    def _decide(self, caller: Caller, decision: Callable[[Caller, Spend], Draft], origin: Origin) -> None:
        """Takes a decision in turn with all others about this tenant's money; again when the caller's key moved on."""
        issued = IssuedKeys(self.recording.ledger, self.recording.clock)
        for _ in range(DECIDE_ATTEMPTS_MAX):

            def take(spend: Spend, _: Periods, who: Caller = caller) -> Draft:
                return decision(who, spend)

            try:
                self.recording.reserve(take, origin)
            except Conflict:
                caller = issued.confirmed(caller)
                continue
            return
        raise TryLater("The budget is being changed. Send the request again.", code="conflict")


def _now(spend: Spend, budget: Budget, periods: Periods) -> BudgetNow:
    return BudgetNow(
        budget, periods.of(budget.window), spend.use(budget, periods), is_closed=budget.budget_id in spend.closed
    )

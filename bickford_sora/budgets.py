"""Budgets, as an admin of the tenant sets and removes them (`/v1/budgets`), and how much of them is used."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import budget_setting as decisions
from bickford_sora.decisions.budget_setting import BudgetAsked
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.four_eyes import FourEyes
from bickford_sora.recording import Origin, Recording, TakeAt
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
    four_eyes: FourEyes

    def set(self, caller: Caller, budget_id: str, fields: Mapping[str, object], *, origin: Origin) -> BudgetNow:
        """Sets a budget, new or changed. Raises InvalidRequest and Conflicting."""
        decisions.check_manager(caller)
        asked = decisions.read(fields)
        decisions.checked_id(budget_id)
        self._decide(caller, budget_id, asked, origin)
        return self.find(caller, budget_id)

    def remove(self, caller: Caller, budget_id: str, *, origin: Origin) -> None:
        """Removes a budget: it holds no longer. Raises NotFound."""
        decisions.check_manager(caller)
        self._decide(caller, budget_id, None, origin)

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

    def _decide(self, caller: Caller, budget_id: str, asked: BudgetAsked | None, origin: Origin) -> None:
        """Decides in turn with all others about this tenant's money; again when the caller's key moved on."""

        def attempt(who: Caller) -> None:
            try:
                self.recording.on_spend(self._change(who, budget_id, asked, NOTHING), origin)
            except TakesFourEyes:
                agreed = self._agreed(who, budget_id, asked, origin)
                self.recording.on_spend(self._change(who, budget_id, asked, agreed), origin)

        busy = "The budget is being changed. Send the request again."
        decided_as(caller, self.recording, attempt, when_busy=busy)

    def _change(self, caller: Caller, budget_id: str, asked: BudgetAsked | None, agreed: Draft) -> TakeAt:
        def take(spend: Spend, _: Periods) -> Draft:
            if asked is None:
                draft = decisions.removed(caller, spend, budget_id)
            else:
                draft = decisions.set_to(caller, spend, budget_id, asked)
            loosens = decisions.loosens(spend.budgets.get(budget_id), asked)
            if draft and loosens and not agreed and "budgets" in self.four_eyes.kinds:
                raise TakesFourEyes
            return draft.together_with(agreed) if draft else draft

        return take

    def _agreed(self, caller: Caller, budget_id: str, asked: BudgetAsked | None, origin: Origin) -> Draft:
        content = asked.model_dump(mode="json") if asked else None
        summary = f"{'set' if asked else 'remove'} budget {budget_id}: {json.dumps(content)}"
        return self.four_eyes.cleared(caller, "budgets", budget_id, content, summary, origin=origin)


class TakesFourEyes(Exception):  # noqa: N818 - the name states the cause
    """A change that lets more happen was not agreed to by another admin. Nothing was recorded."""


def _now(spend: Spend, budget: Budget, periods: Periods) -> BudgetNow:
    return BudgetNow(
        budget, periods.of(budget.window), spend.use(budget, periods), is_closed=budget.budget_id in spend.closed
    )

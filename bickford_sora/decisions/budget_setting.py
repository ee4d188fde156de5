"""What is asked of budgets, checked, and the facts it leads to. Pure.

Budgets are the tenant's: only an admin who spans it sets them, or whoever was held to a cap would raise it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bickford_sora.decisions.api_keys import PROJECT, REQUESTER
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import Conflicting, InvalidRequest, NotFound, RoleMissing
from ledger.events import BudgetRemoved, BudgetSet, Money
from ledger.spend import TENANT, Budget, Spend, Window
from ledger.spend import Unit as Unit_

BUDGETS_MAX = 500
"""Budgets of a tenant. Every render is held to those in whose scope it is."""
THRESHOLDS_MAX = 10
AMOUNT_MAX = 2**53 - 1
"""Largest cap, in millionths, renders or seconds: JSON readers keep larger integers only in part."""

_BUDGET_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SCOPE = re.compile(rf"{TENANT}|project:{PROJECT}|key:key_[0-9a-f]{{16}}|requester:{REQUESTER}")


def _scope(text: str) -> str:
    if _SCOPE.fullmatch(text) is None:
        raise ValueError(f"a scope is {TENANT}, project:NAME, key:key_… or requester:req-…")
    return text


def _rising(percents: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(percents)))


class CapAsked(BaseModel):
    """An amount of money."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    amount_micro: Annotated[int, Field(ge=0, le=AMOUNT_MAX)]
    """In millionths of the currency."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    """ISO 4217."""


class BudgetAsked(BaseModel):
    """A budget somebody wants."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    scope: Annotated[str, AfterValidator(_scope)] = TENANT
    window: Window
    unit: Unit_ = "money"
    cap: CapAsked | None = None
    """Of money."""
    cap_count: Annotated[int, Field(ge=0, le=AMOUNT_MAX)] | None = None
    """Of renders, or of seconds of video."""
    hard: bool = True
    """Whether it stops renders. A soft one only tells."""
    thresholds: Annotated[
        tuple[Annotated[int, Field(ge=1, le=100)], ...],
        Field(max_length=THRESHOLDS_MAX, strict=False),
        AfterValidator(_rising),
    ] = ()
    """Percentages of the cap that are told of when they are passed."""

    @model_validator(mode="after")
    def _has_its_cap(self) -> Self:
        if (self.cap is not None) is not (self.unit == "money"):
            raise ValueError("cap belongs to money, and money needs it")
        if (self.cap_count is not None) is not (self.unit != "money"):
            raise ValueError("cap_count belongs to renders and seconds, and they need it")
        return self


def read(fields: Mapping[str, object]) -> BudgetAsked:
    """The budget somebody wants. Raises InvalidRequest naming what is wrong or missing."""
    try:
        return BudgetAsked.model_validate(dict(fields))
    except ValidationError as error:
        raise invalid(error) from None


def checked_id(budget_id: str) -> str:
    """The name of a budget. Raises InvalidRequest for what is none."""
    if _BUDGET_ID.fullmatch(budget_id) is None:
        raise InvalidRequest(
            "A budget is named by 1 to 63 of a-z, 0-9, '_' and '-', a letter first.",
            code="invalid_value",
            param="budget_id",
        )
    return budget_id


def check_manager(caller: Caller) -> None:
    """Raises RoleMissing for an admin of one project alone."""
    if not caller.everywhere:
        raise RoleMissing(
            "Budgets are the tenant's. Use the key of an admin who spans the tenant.", code="tenant_admin_needed"
        )


def sees(caller: Caller, budget: Budget) -> bool:
    """Whether a caller is shown a budget: those of its project and of the tenant, or all."""
    return caller.everywhere or budget.scope in {TENANT, f"project:{caller.project}"}


def set_to(caller: Caller, spend: Spend, budget_id: str, asked: BudgetAsked) -> Draft:
    """The budget as it is asked for; what is so already changes nothing. Raises Conflicting when there are too many."""
    known = spend.budgets.get(budget_id)
    if known is None and len(spend.budgets) >= BUDGETS_MAX:
        raise Conflicting(f"A tenant has at most {BUDGETS_MAX} budgets. Remove one first.", code="too_many_budgets")
    if known == _budget(budget_id, asked) and budget_id not in spend.closed:
        return NOTHING
    fact = BudgetSet(
        budget_id=budget_id,
        scope=asked.scope,
        window=asked.window,
        unit=asked.unit,
        cap=Money(amount_micro=asked.cap.amount_micro, currency=asked.cap.currency) if asked.cap else None,
        cap_count=asked.cap_count,
        hard=asked.hard,
        thresholds=asked.thresholds,
    )
    return Draft(((spend.stream, fact),), caller.heads)


def loosens(known: Budget | None, asked: BudgetAsked | None) -> bool:
    """Whether a change of a budget lets more happen than before; None: it is removed."""
    if known is None or not known.hard:
        return False
    if asked is None:
        return True
    wanted = _budget(known.budget_id, asked)
    holds_for_the_same = (wanted.scope, wanted.window, wanted.unit) == (known.scope, known.window, known.unit)
    return not (holds_for_the_same and wanted.hard and wanted.cap <= known.cap)


def removed(caller: Caller, spend: Spend, budget_id: str) -> Draft:
    """The end of a budget. Raises NotFound."""
    if budget_id not in spend.budgets:
        raise unknown()
    return Draft(((spend.stream, BudgetRemoved(budget_id=budget_id)),), caller.heads)


def unknown() -> NotFound:
    """The error for a budget that is not there, or not to be seen."""
    return NotFound("No budget with this id exists.", code="budget_not_found", param="budget_id")


def _budget(budget_id: str, asked: BudgetAsked) -> Budget:
    unit, cap = (asked.cap.currency, asked.cap.amount_micro) if asked.cap else (asked.unit, asked.cap_count or 0)
    return Budget(budget_id, asked.scope, asked.window, unit, cap, asked.hard, asked.thresholds)

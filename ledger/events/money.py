"""Money reserved, settled and released, and the caps it is held to."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from ledger.envelope import Fact, Sealed
from ledger.events.parts import Money


class SpendReserved(Fact):
    """Money set aside for a render that may happen."""

    TYPE: ClassVar[str] = "spend.reserved"
    video_id: str
    cost: Money


class SpendSettled(Fact):
    """What a render really cost; the rest of its reservation is free again."""

    TYPE: ClassVar[str] = "spend.settled"
    video_id: str
    cost: Money


class SpendReleased(Fact):
    """A reservation that was not needed."""

    TYPE: ClassVar[str] = "spend.released"
    video_id: str
    cost: Money


class SpendAdjusted(Fact):
    """A correction after the fact, for example from a vendor's invoice."""

    TYPE: ClassVar[str] = "spend.adjusted"
    video_id: str | None = None
    cost: Money
    reason: Sealed | None = None


class SpendCarriedForward(Fact):
    """Totals of everything before, so that a fold need not start at the beginning."""

    TYPE: ClassVar[str] = "spend.carried_forward"
    totals: dict[str, JsonValue]


class BudgetSet(Fact):
    """A cap for a scope and a window."""

    TYPE: ClassVar[str] = "budget.set"
    budget_id: str
    scope: str
    window: Literal["day", "month", "total"]
    cap: Money


class BudgetOverrun(Fact):
    """More was settled than the budget allows."""

    TYPE: ClassVar[str] = "budget.overrun"
    budget_id: str
    excess: Money


class BudgetThreshold(Fact):
    """A budget's use passed a threshold."""

    TYPE: ClassVar[str] = "budget.threshold"
    budget_id: str
    percent: int = Field(ge=0)

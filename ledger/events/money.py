"""Money reserved, settled and released, and the caps it is held to."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from ledger.envelope import Fact, Sealed
from ledger.events.parts import Money

DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
MINUTE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$"
Percent = Annotated[int, Field(ge=1, le=100)]


class SpendReserved(Fact):
    """Money set aside for a render that may happen, and whom it counts for."""

    TYPE: ClassVar[str] = "spend.reserved"
    SCHEMA: ClassVar[int] = 2
    video_id: str
    cost: Money | None = None
    """None where no price is known."""
    project: str | None = None
    requester: str | None = None
    key_id: str | None = None
    model: str | None = None
    renderer: str | None = None
    purpose: str | None = None
    tags: tuple[str, ...] = ()
    renders: int = Field(default=1, ge=0, le=1)
    """0: an excess over what was set aside for the render before."""
    seconds: int = Field(default=0, ge=0)
    """Of video."""
    day: str = Field(default="1970-01-01", pattern=DAY)
    """In the tenant's time zone; whatever becomes of the render is counted in this day and its month."""
    minute: str = Field(default="1970-01-01T00:00", pattern=MINUTE)
    """In UTC."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it knew nothing of whom it counts for."""
        return fields if schema == 1 else super().upcast(schema, fields)


class SpendSettled(Fact):
    """What a render really cost; the rest of its reservation is free again."""

    TYPE: ClassVar[str] = "spend.settled"
    SCHEMA: ClassVar[int] = 2
    video_id: str
    cost: Money | None = None
    """None where no price is known."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it always had a cost."""
        return fields if schema == 1 else super().upcast(schema, fields)


class SpendReleased(Fact):
    """A reservation that was not needed."""

    TYPE: ClassVar[str] = "spend.released"
    SCHEMA: ClassVar[int] = 2
    video_id: str
    cost: Money | None = None
    """What is free again; None where no price is known."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it always had a cost."""
        return fields if schema == 1 else super().upcast(schema, fields)


class SpendAdjusted(Fact):
    """A correction after the fact, for example from a vendor's invoice. It counts in the day in which it is made."""

    TYPE: ClassVar[str] = "spend.adjusted"
    SCHEMA: ClassVar[int] = 2
    video_id: str | None = None
    cost: Money
    """The difference; less than 0 where less was billed than settled."""
    reason: Sealed | None = None
    invoice: str | None = None
    """The invoice it comes from."""
    project: str | None = None
    requester: str | None = None
    key_id: str | None = None
    model: str | None = None
    renderer: str | None = None
    purpose: str | None = None
    tags: tuple[str, ...] = ()
    day: str = Field(default="1970-01-01", pattern=DAY)
    """In the tenant's time zone."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it knew nothing of whom it counts for."""
        return fields if schema == 1 else super().upcast(schema, fields)


class SpendCarriedForward(Fact):
    """Totals of everything before, so that a fold need not start at the beginning."""

    TYPE: ClassVar[str] = "spend.carried_forward"
    totals: dict[str, JsonValue]


class BudgetSet(Fact):
    """A cap for a scope and a window. Setting it again replaces it, and opens it when an overrun had closed it."""

    TYPE: ClassVar[str] = "budget.set"
    SCHEMA: ClassVar[int] = 2
    budget_id: str
    scope: str
    """`tenant`, or `project:`, `key:` or `requester:` and whose it is."""
    window: Literal["in_flight", "minute", "day", "month", "total"]
    """`in_flight`: what is not settled or released yet."""
    unit: Literal["money", "renders", "seconds"] = "money"
    cap: Money | None = None
    """Of money."""
    cap_count: int | None = Field(default=None, ge=0)
    """Of renders, or of seconds of video."""
    hard: bool = True
    """Whether it stops renders; a soft one only tells."""
    thresholds: tuple[Percent, ...] = ()
    """Percentages of the cap that are told of when they are passed."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it knew caps of money alone."""
        return fields if schema == 1 else super().upcast(schema, fields)


class BudgetRemoved(Fact):
    """A cap holds no longer."""

    TYPE: ClassVar[str] = "budget.removed"
    budget_id: str


class BudgetOverrun(Fact):
    """More was settled than the budget allows. It takes nothing more until it is set again."""

    TYPE: ClassVar[str] = "budget.overrun"
    SCHEMA: ClassVar[int] = 2
    budget_id: str
    scope: str = "tenant"
    excess: Money

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it did not name the scope."""
        return fields if schema == 1 else super().upcast(schema, fields)


class BudgetThreshold(Fact):
    """A budget's use passed a threshold."""

    TYPE: ClassVar[str] = "budget.threshold"
    SCHEMA: ClassVar[int] = 2
    budget_id: str
    scope: str = "tenant"
    percent: int = Field(ge=0)
    period: str = "total"
    """The day, month or minute it happened in."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it named neither scope nor period."""
        return fields if schema == 1 else super().upcast(schema, fields)

"""What was set aside, spent and corrected, by whom and for what?

One row a fact. What a render cost counts in the day in which it was reserved, as the caps do; a correction in the day
in which it was made.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection

By = Literal["day", "month", "model", "renderer", "project", "key", "requester", "purpose", "tag"]
"""What totals are told by. A render with several tags counts for each of them."""
TOTALS_MAX = 10_000
"""Most rows of one report."""
CHARGES_MAX = 1_000
"""Most charges on one page."""
COSTS_MAX = 200_000
"""Most renders whose cost is told at once."""


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over the renders of one name and currency. Reserved is settled, released and open."""

    name: str | None
    currency: str | None
    """None: renders without a known price."""
    renders: int
    seconds: int
    reserved_micro: int
    settled_micro: int
    released_micro: int
    open_micro: int
    adjusted_micro: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What one render cost, or one correction."""

    position: int
    kind: Literal["settled", "adjusted"]
    video_id: str | None
    occurred_at: datetime
    day: str
    project: str | None
    key_id: str | None
    requester: str | None
    model: str | None
    renderer: str | None
    purpose: str | None
    tags: list[str]
    currency: str | None
    amount_micro: int
    seconds: int


@dataclass(frozen=True, slots=True)
class RenderCost:
    """What one render cost in all, and whom it counts for."""

    video_id: str
    day: str
    """In which it was reserved."""
    project: str | None
    key_id: str | None
    requester: str | None
    model: str | None
    renderer: str | None
    purpose: str | None
    tags: list[str]
    currency: str | None
    """None where no price was known, and nothing was corrected."""
    state: Literal["open", "settled", "released"]
    settled_micro: int
    adjusted_micro: int
    """What was corrected since."""
    positions: list[int]
    """Of the facts that say so, in the ledger."""

    @property
    def amount_micro(self) -> int:
        """With its corrections."""
        return self.settled_micro + self.adjusted_micro


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which renders' cost is asked about: those of these ids, and those of these days, both included."""

    tenant: str
    project: str | None = None
    """None: of every project."""
    renderer: str | None = None
    """None: of every renderer."""
    video_ids: Sequence[str] = ()
    first: str | None = None
    """None: of no days."""
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Whose spend is asked about, and of which days, both included."""

    tenant: str
    project: str | None
    """None: of every project."""
    first: str
    last: str


class SpendTable:
    """Answers from the table of movements. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def totals(self, span: Span, by: By) -> list[Total]:
        """Sums by one property, by its name; at most `TOTALS_MAX`."""
        bounds = {**_bounds(span), "by": by, "limit": TOTALS_MAX}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Total)) as cursor:
            return cursor.execute(query("totals", SPEND.package), bounds).fetchall()

    def charges(self, span: Span, after: int = 0) -> list[Charge]:
        """What was settled and corrected behind a position, in the ledger's order; at most `CHARGES_MAX`."""
        bounds = {**_bounds(span), "after": after, "limit": CHARGES_MAX}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Charge)) as cursor:
            return cursor.execute(query("charges", SPEND.package), bounds).fetchall()

    def costs(self, which: Which) -> list[RenderCost]:
        """What each of some renders cost, by their ids; at most `COSTS_MAX`."""
        asked = {**asdict(which), "video_ids": list(which.video_ids), "limit": COSTS_MAX}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(RenderCost)) as cursor:
            return cursor.execute(query("costs", SPEND.package), asked).fetchall()


def _bounds(span: Span) -> dict[str, object]:
    return {"tenant": span.tenant, "project": span.project, "first": span.first, "last": span.last}


SPEND = Projection(
    name="spend",
    version=2,
    tables={
        "movements": (
            "position",
            "stream",
            "tenant",
            "kind",
            "video_id",
            "occurred_at",
            "day",
            "project",
            "key_id",
            "requester",
            "model",
            "renderer",
            "purpose",
            "tags",
            "currency",
            "amount_micro",
            "renders",
            "seconds",
        )
    },
    rows=None,
    categories=frozenset({"spend"}),
    whole_stream=False,
)

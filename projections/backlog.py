"""How much work waits, and for how long."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from ledger.sql import query
from projections.connections import reading
from projections.port import Pool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Steps of one kind that are to be done."""

    step: str
    renderer: str | None
    """None where it is not about a renderer's job yet."""
    items: int
    overdue_s: float
    """How long the oldest of them that nobody is at has been due, in seconds; 0 while none is.

    A submission that waits for its turn or for a place is not overdue: only one that was begun and left."""
    unknown: int = 0
    """How many of them are submissions whose outcome is unknown, or lost jobs."""


def backlog(pool: Pool, now: datetime) -> list[Waiting]:
    """All that is to be done, by step and renderer. Raises ledger.errors.Unavailable."""
    with reading(pool) as connection, connection.cursor(row_factory=class_row(Waiting)) as cursor:
        found = cursor.execute(query("waiting", "projections.sql.backlog"), {"now": now}).fetchall()
    return [Waiting(each.step, each.renderer, each.items, max(0.0, each.overdue_s), each.unknown) for each in found]

"""Which renders wait for a renderer, in which order, and why?

Asked of the work items and the agenda beside them (`projections.leases`). Every look reads all that wait.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from ledger.sql import query
from projections.connections import reading
from projections.port import Pool

WAITING_MAX = 1_000
"""Most waiting renders in one answer."""

_SQL = "projections.sql.queue"


@dataclass(frozen=True, slots=True)
class Counter:
    """How one renderer stands: counts only, of everybody's renders."""

    renderer: str
    in_flight: int
    """Its jobs, those included of which it is not known whether it took them, or that are being handed to it."""
    in_flight_max: int | None
    waiting: int
    projects: int
    """How many projects wait for it."""
    closed: str | None
    """Why nothing is handed to it at the moment."""

    @property
    def is_full(self) -> bool:
        """Whether it has as many jobs as it may."""
        return self.in_flight_max is not None and self.in_flight >= self.in_flight_max


@dataclass(frozen=True, slots=True)
class Waiting:
    """A render that waits."""

    video_id: str
    project: str
    renderer: str
    place: int
    """From 1, among all that wait for this renderer, if nothing else comes."""
    created_at: datetime
    not_before: datetime | None
    """When it is due, as far as that is known; it may have passed."""


class Queue:
    """Answers about the queue. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def counters(self) -> Sequence[Counter]:
        """Every renderer that has or awaits something."""
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Counter)) as cursor:
            return cursor.execute(query("renderers", _SQL)).fetchall()

    def lengths(self, limit: int) -> Mapping[tuple[str, str], int]:
        """How many renders wait, by tenant and project; `limit` in all at most."""
        with reading(self._pool) as connection:
            found = connection.execute(query("lengths", _SQL), {"limit": limit}).fetchall()
        return {(tenant, project): count for tenant, project, count in found}

    def waiting(
        self, tenant: str, project: str | None, video_id: str | None, weights: Mapping[str, int], limit: int
    ) -> Sequence[Waiting]:
        """The first `limit` that wait, by renderer and place, of a project or of all the tenant's (None).

        Raises ValueError for a limit that is not 1 to `WAITING_MAX`.
        """
        if not 0 < limit <= WAITING_MAX:
            raise ValueError(f"limit is 1 to {WAITING_MAX}")
        key = {
            "tenant": tenant,
            "project": project,
            "video_id": video_id,
            "weights": json.dumps(dict(weights)),
            "limit": limit,
        }
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Waiting)) as cursor:
            return cursor.execute(query("waiting", _SQL), key).fetchall()

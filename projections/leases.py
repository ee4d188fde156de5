"""Who is at which work item, and when it is due again.

What is to do is a projection (`projections.work`) and is rebuilt like any other. Who does it is not history: it is kept
here, beside it. Nothing breaks when a lease is lost or an item is stale: the worker decides again from the render's
stream, and the stream's head lets only one decision through.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from ledger.events import Step
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool

CLAIM_ITEMS_MAX = 1_000
"""Most items in one claim."""
CLAIM_LOCK = 7305811
"""Key of the advisory lock that claims go through one by one; each takes milliseconds."""

_SQL = "projections.sql.leases"


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A step to take, leased to `owner`."""

    stream: str
    tenant: str
    project: str
    video_id: str | None
    """None for a delivery that is not about one video."""
    step: Step
    renderer: str | None
    job_stream: str | None
    created_at: datetime
    version: int
    """Of the stream when the item was made."""
    attempt: int
    """Counts the claims of this step, and tells a lease from a later one."""
    owner: str


class Leases:
    """Hands out work items, each to one worker at a time. Safe to use from many threads and processes.

    Every `now` is the caller's clock. Raises ledger.errors.Unavailable when the database does not answer.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ensure(self) -> None:
        """Makes the table unless it is there."""
        with reading(self._pool) as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))
            connection.execute(query("schema", _SQL))

    def claim(
        self, owner: str, limit: int, lease_s: float, now: datetime, steps: Collection[Step] | None = None
    ) -> list[WorkItem]:
        """At most `limit` items that are due, longest due first, leased for `lease_s` seconds.

        An item whose lease ran out is claimed again. Raises ValueError for a limit that is not 1 to `CLAIM_ITEMS_MAX`.
        """
        if not 0 < limit <= CLAIM_ITEMS_MAX:
            raise ValueError(f"limit is 1 to {CLAIM_ITEMS_MAX}")
        key = {
            "owner": owner,
            "limit": limit,
            "now": now,
            "lease_until": now + timedelta(seconds=lease_s),
            "steps": None if steps is None else list(steps),
        }
        with (
            reading(self._pool) as connection,
            connection.transaction(),
            connection.cursor(row_factory=class_row(WorkItem)) as cursor,
        ):
            cursor.execute("select pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))
            return cursor.execute(query("claim", _SQL), key).fetchall()

    def release(self, item: WorkItem, due_at: datetime | None) -> bool:
        """Gives an item back; due again at `due_at` (None: at once), or when a webhook the claim had not seen comes.

        False when the lease had run out and the item was claimed again.
        """
        key = {
            "stream": item.stream,
            "step": item.step,
            "owner": item.owner,
            "attempt": item.attempt,
            "due_at": due_at,
        }
        with reading(self._pool) as connection:
            return connection.execute(query("release", _SQL), key).rowcount == 1

    def renew(self, item: WorkItem, lease_s: float, now: datetime) -> bool:
        """Keeps an item leased, for work that takes long. False when the lease had run out and was claimed again."""
        key = {
            "stream": item.stream,
            "step": item.step,
            "owner": item.owner,
            "attempt": item.attempt,
            "lease_until": now + timedelta(seconds=lease_s),
        }
        with reading(self._pool) as connection:
            return connection.execute(query("renew", _SQL), key).rowcount == 1

    def forget_done(self, now: datetime) -> int:
        """Removes what is kept of steps that are no longer to do. Returns how many."""
        with reading(self._pool) as connection:
            return connection.execute(query("forget_done", _SQL), {"now": now}).rowcount

    def next_due(self, now: datetime, steps: Collection[Step] | None = None) -> float | None:
        """Seconds until something is due, 0 when something is; None when there is nothing to do."""
        key = {"now": now, "steps": None if steps is None else list(steps)}
        with reading(self._pool) as connection:
            row = connection.execute(query("next_due", _SQL), key).fetchone()
        next_at: datetime | None = row[0] if row else None
        return None if next_at is None else (next_at - now).total_seconds()

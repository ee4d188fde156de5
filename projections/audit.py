"""Who did what, when, and because of what?

One row an event, with the columns and the few fields people search by; the database makes it (`sql/audit/insert.sql`).
Rows are only ever added. The requester and the
project are in the intent alone; a search by one of them finds the other facts of the render by its video id.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection

AUDIT_EVENTS_MAX = 1_000
"""Most events in one answer."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One fact as the audit table shows it, without its payload."""

    position: int
    stream: str
    version: int
    type: str
    event_id: UUID
    recorded_at: datetime
    occurred_at: datetime
    tenant: str
    actor: str
    correlation: UUID | None
    causation: UUID | None
    trace: str | None
    project: str | None
    video_id: str | None
    requester: str | None
    renderer: str | None
    job_id: str | None
    webhook_event_id: str | None
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; None: anything. `since` and `before` bound `recorded_at`, the latter exclusively."""

    project: str | None = None
    video_id: str | None = None
    type: str | None = None
    actor: str | None = None
    requester: str | None = None
    webhook_event_id: str | None = None
    since: datetime | None = None
    before: datetime | None = None


EVERYTHING = Filters()


@dataclass(frozen=True, slots=True)
class Claim:
    """A renderer's job that belongs to a render."""

    renderer: str
    job_id: str
    video_id: str


class Audit:
    """Answers from the audit table. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def events(
        self, tenant: str, filters: Filters = EVERYTHING, *, after: int = 0, limit: int = AUDIT_EVENTS_MAX
    ) -> list[AuditEvent]:
        """A tenant's events behind position `after`, in order.

        Raises ValueError for a limit that is not 1 to `AUDIT_EVENTS_MAX`.
        """
        if not 0 < limit <= AUDIT_EVENTS_MAX:
            raise ValueError(f"limit is 1 to {AUDIT_EVENTS_MAX}")
        bounds = {"tenant": tenant, "after": after, "limit": limit, **asdict(filters)}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(AuditEvent)) as cursor:
            # Not prepared: each set of filters deserves its own plan.
            return cursor.execute(query("events", AUDIT.package), bounds, prepare=False).fetchall()

    def claims(self, tenant: str, *, job_ids: Sequence[str] = (), video_ids: Sequence[str] = ()) -> list[Claim]:
        """The jobs of these names, at whatever renderer, and those of these videos, as they were claimed."""
        asked = {"tenant": tenant, "job_ids": list(job_ids), "video_ids": list(video_ids)}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Claim)) as cursor:
            return cursor.execute(query("claims", AUDIT.package), asked).fetchall()


AUDIT = Projection(
    name="audit",
    version=2,
    tables={"events": tuple(field.name for field in fields(AuditEvent))},
    rows=None,
    whole_stream=False,
)

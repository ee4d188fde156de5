"""Who did what, when, and because of what?

One row an event, with the columns and the few fields people search by; the database makes it (`sql/audit/insert.sql`).
A fact about a render has the render's project and requester, whether it says so itself or not. Rows are only added.

Texts are found by their hashes (`begins` in `sql/audit/schema.sql`), which is all that indexes hold of them beside the
position, and then compared.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from ledger.port import POSITION_MAX
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection
from projections.words import folded

AUDIT_EVENTS_MAX = 1_000
"""Most events in one answer."""
PARKED_COUNTED_MAX = 1_000
"""Most facts that are counted as parked, in each stream and in all."""
CAUSES_MAX = 100
"""Most steps that are followed from an event to what led to it, or to what it led to."""

Order = Literal["asc", "desc"]


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
    cost_micro: int | None
    """What the fact says something costs: reserved, settled, quoted or charged."""
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; None: anything. `cost_micro_min` and `cost_micro_max` are both included."""

    project: str | None = None
    stream: str | None = None
    """The facts of one stream, such as a render's own."""
    video_id: str | None = None
    """All facts about one render, in whatever stream."""
    job_id: str | None = None
    type: str | None = None
    actor: str | None = None
    requester: str | None = None
    webhook_event_id: str | None = None
    trace: str | None = None
    correlation: UUID | None = None
    causation: UUID | None = None
    cost_micro_min: int | None = None
    cost_micro_max: int | None = None
    currency: str | None = None
    rule: str | None = None
    """A rule that matched."""
    sha256: str | None = None
    """Of a file that a fact names."""
    storage_uri: str | None = None
    text: str | None = None
    """Words of prompts, fields and errors, as people type them into a search box. Needs the index of words."""


EVERYTHING = Filters()
_MARKS = ("sha256", "storage_uri", "rule")
"""Filters that an event can match several times; the one that matches least is asked first."""
_HASHED = ("webhook_event_id", "job_id", "trace", "requester", "project", "actor", "type")
"""Filters whose column has an index of hashes, the rarer first: the first one that is asked for gives the order."""
_HASHED_POSITION_MAX = 2**40 - 1
"""Greatest position beside a hash, in bits as `sql/audit/schema.sql` says."""


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
        self,
        tenant: str,
        filters: Filters = EVERYTHING,
        *,
        after: int = 0,
        before: int = POSITION_MAX,
        limit: int = AUDIT_EVENTS_MAX,
        order: Order = "asc",
    ) -> list[AuditEvent]:
        """A tenant's events with `after` < position < `before`, by position; `desc`: the last one first.

        Raises ValueError for a limit that is not 1 to `AUDIT_EVENTS_MAX`.
        """
        if not 0 < limit <= AUDIT_EVENTS_MAX:
            raise ValueError(f"limit is 1 to {AUDIT_EVENTS_MAX}")
        marks = [(kind, value) for kind in _MARKS if (value := getattr(filters, kind)) is not None]
        bounds: dict[str, Any] = {"tenant": tenant, "after": after, "before": before, "limit": limit, **asdict(filters)}
        bounds |= {"first": _in_hash(after + 1), "last": _in_hash(before - 1)}
        if filters.text is not None:
            bounds |= {"text": folded(filters.text)}
        if marks:
            bounds |= {"mark_kind": marks[0][0], "mark": marks[0][1]}
            bounds |= {"mark_kinds": [kind for kind, _ in marks[1:]], "marks": [value for _, value in marks[1:]]}
        statement = _page(filters, marked=len(marks), order=order)
        # Not prepared: each set of filters deserves its own plan.
        return self._rows(statement, bounds, prepare=False)

    def parked(self, tenant: str) -> int:
        """How many of a tenant's events are not here because their streams are parked; `PARKED_COUNTED_MAX` at most."""
        asked = {"name": AUDIT.name, "tenant": tenant, "most": PARKED_COUNTED_MAX}
        with reading(self._pool) as connection:
            found = connection.execute(query("parked", AUDIT.package), asked).fetchone()
        assert found is not None  # noqa: S101 - a count is always there
        return int(found[0])

    def event(self, tenant: str, event_id: UUID) -> AuditEvent | None:
        """One of a tenant's events."""
        found = self._rows(_asked("event"), {"tenant": tenant, "event_id": event_id})
        return found[0] if found else None

    def causes(self, tenant: str, event_id: UUID) -> list[AuditEvent]:
        """What led to an event, and to that, nearest first; at most `CAUSES_MAX`."""
        asked = {"tenant": tenant, "event_id": event_id, "limit": CAUSES_MAX}
        return self._rows(_asked("causes"), asked)

    def effects(self, tenant: str, event_id: UUID, *, limit: int = AUDIT_EVENTS_MAX) -> list[AuditEvent]:
        """What an event led to, and what that led to, nearest first; at most `limit`."""
        asked = {"tenant": tenant, "event_id": event_id, "steps": CAUSES_MAX, "limit": limit}
        return self._rows(_asked("effects"), asked)

    def claims(self, tenant: str, *, job_ids: Sequence[str] = (), video_ids: Sequence[str] = ()) -> list[Claim]:
        """The jobs of these names, at whatever renderer, and those of these videos, as they were claimed."""
        asked = {"tenant": tenant, "job_ids": list(job_ids), "video_ids": list(video_ids)}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Claim)) as cursor:
            return cursor.execute(query("claims", AUDIT.package), asked).fetchall()

    def _rows(self, statement: sql.Composed, asked: dict[str, Any], *, prepare: bool | None = None) -> list[AuditEvent]:
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(AuditEvent)) as cursor:
            return cursor.execute(statement, asked, prepare=prepare).fetchall()


def _asked(name: str, **parts: sql.Composable) -> sql.Composed:
    """A query for whole rows."""
    columns = sql.SQL(", ").join(sql.Identifier("a", name) for name in AUDIT.tables["events"])
    return sql.SQL(query(name, AUDIT.package)).format(columns=columns, **parts)


def _page(filters: Filters, *, marked: int, order: Order) -> sql.Composed:
    """The query of a page: it begins at a mark where one is asked for, and has the parts that are needed."""
    return _asked(
        "page",
        source=sql.SQL(query("marked", AUDIT.package) if marked else "projection_audit.events a"),
        filters=_filters(filters, marked=marked),
        told=_joined("told", "told_mark") if marked else _joined("told"),
        place=_place(filters, marked=marked),
        order=sql.SQL(order),
    )


def _place(filters: Filters, *, marked: int) -> sql.Composable:
    """What a page is in the order of, which is that of positions: an index that begins where the page does has it."""
    hashed = _hashes_asked(filters)
    if marked:
        return sql.SQL("projection_audit.begins(m.tenant, m.value) | m.position")
    if hashed:
        return sql.SQL("projection_audit.begins(a.tenant, {}) | a.position").format(sql.Identifier("a", hashed[0]))
    if _is_begun(filters):
        return sql.SQL("a.position")
    return sql.SQL("projection_audit.begins(a.tenant, '') | a.position")


def _hashes_asked(filters: Filters) -> list[str]:
    return [name for name in _HASHED if getattr(filters, name) is not None]


def _is_begun(filters: Filters) -> bool:
    """Whether positions are known that all of the page is at."""
    return filters.stream is not None or filters.video_id is not None


def _in_hash(position: int) -> int:
    return max(0, min(position, _HASHED_POSITION_MAX))


def _filters(filters: Filters, *, marked: int) -> sql.Composed:
    """What indexes know. The tenant is asked for by itself where nothing is that is looked for within it."""
    hashed = _hashes_asked(filters)
    parts = {
        "of_stream": filters.stream is not None,
        "about": filters.video_id is not None,
        "also_marked": marked > 1,
        "worded": filters.text is not None,
        "of_tenant": not (hashed or marked or _is_begun(filters)),
    }
    return sql.SQL("").join(
        [
            _joined("filters", *(name for name, given in parts.items() if given)),
            *(_hashed(name) for name in hashed),
        ]
    )


def _hashed(name: str) -> sql.Composed:
    column, value = sql.Identifier("a", name), sql.Placeholder(name)
    return sql.SQL(query("hashed", AUDIT.package)).format(column=column, value=value)


def _joined(*names: str) -> sql.Composed:
    return sql.SQL("").join(sql.SQL(query(name, AUDIT.package)) for name in names)


AUDIT = Projection(
    name="audit",
    version=8,
    tables={
        "events": tuple(field.name for field in fields(AuditEvent)),
        "marks": ("position", "stream", "tenant", "kind", "value"),
    },
    rows=None,
    whole_stream=False,
)

"""Which API keys were issued, for what, and how long are they accepted?

One row a key, also of one that is not accepted any more. A name is ciphertext here as in the ledger; the keyed hash of
a key is not here at all, and nobody is let in by what is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime

from psycopg.rows import class_row

from ledger import api_keys
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection, TableRow
from projections.story import Story

PAGE_API_KEYS_MAX = 100
"""Most keys on one page."""


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """One key as the table shows it. `name` is ciphertext."""

    key_id: str
    tenant: str
    project: str
    requester: str
    name: str | None
    roles: list[str]
    spans_tenant: bool
    may_assert_requester: bool
    issued_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None
    replaced_by: str | None
    approver_until: datetime | None
    issued_position: int
    version: int


@dataclass(frozen=True, slots=True)
class ApiKeyPage:
    """Some keys, the last issued first."""

    api_keys: tuple[ApiKeyRow, ...]
    has_more: bool


class ApiKeyTable:
    """Answers from the table of keys. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant: str, project: str | None, after: str | None = None, limit: int = 20) -> ApiKeyPage:
        """Keys of a project, or of all the tenant's (None), that were issued before the key `after`.

        Raises ValueError for a limit that is not 1 to `PAGE_API_KEYS_MAX`.
        """
        if not 0 < limit <= PAGE_API_KEYS_MAX:
            raise ValueError(f"limit is 1 to {PAGE_API_KEYS_MAX}")
        bounds = {"tenant": tenant, "project": project, "after": after, "limit": limit + 1}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(ApiKeyRow)) as cursor:
            found = cursor.execute(query("page", API_KEYS.package), bounds).fetchall()
        return ApiKeyPage(tuple(found[:limit]), has_more=len(found) > limit)

    def count(self, tenant: str, project: str, now: datetime) -> int:
        """How many keys of a project are accepted now."""
        bounds = {"tenant": tenant, "project": project, "now": now}
        with reading(self._pool) as connection:
            row = connection.execute(query("count", API_KEYS.package), bounds).fetchone()
        return int(row[0]) if row else 0


def rows(story: Story) -> Iterator[TableRow]:
    """The row of a key. Raises lifecycle.ImpossibleStep for an order that cannot be."""
    key = story.folded(api_keys.fold)
    row = (
        key.stream,
        key.key_id,
        key.tenant,
        key.project,
        key.requester,
        key.name,
        list(key.roles),
        key.spans_tenant,
        key.may_assert_requester,
        key.issued_at,
        key.expires_at,
        key.revoked_at,
        key.replaces,
        key.replaced_by,
        key.approver_until,
        story.events[0].position,
        key.version,
    )
    yield "api_keys", row


API_KEYS = Projection(
    name="api_keys",
    version=2,
    tables={"api_keys": ("stream", *(field.name for field in fields(ApiKeyRow)))},
    rows=rows,
    categories=frozenset({"key"}),
)

"""Which webhook endpoints are there, whom are they to be told, and what became of their deliveries?

One row an endpoint that was not deleted, and one row a delivery. Names, URLs and secrets are ciphertext here as in the
ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime

from psycopg.rows import class_row

from ledger import deliveries, endpoints, streams
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection, TableRow
from projections.story import Story

PAGE_ENDPOINTS_MAX = 100
"""Most endpoints on one page (webhooks API: `limit`)."""
PAGE_DELIVERIES_MAX = 100
LIVE_ENDPOINTS_MAX = 10_000
"""Most endpoints of one tenant that are told of one thing."""


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One endpoint as the table shows it. `name` and `url` are ciphertext."""

    endpoint_id: str
    tenant: str
    project: str
    name: str
    url: str
    event_types: list[str]
    secret_hint: str
    disabled: str | None
    """Why it is told nothing; None while it is told."""
    created_at: datetime
    updated_at: datetime
    created_position: int
    version: int


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """Some endpoints, newest first."""

    endpoints: tuple[EndpointRow, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery as the table shows it."""

    delivery_id: str
    endpoint_id: str
    tenant: str
    project: str
    event_id: str
    event_type: str
    video_id: str | None
    state: str
    attempts: int
    http_status: int | None
    code: str | None
    scheduled_at: datetime
    retry_at: datetime | None
    position: int
    """Of the last event in the row."""


class Endpoints:
    """Answers from the endpoints tables. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant: str, project: str | None, after: str | None = None, limit: int = 20) -> EndpointPage:
        """Endpoints of a project, or of all the tenant's (None), behind the id `after`, newest first.

        Endpoint ids are UUIDv7, so their order is the order of creation. Raises ValueError for a limit that is not
        1 to `PAGE_ENDPOINTS_MAX`.
        """
        if not 0 < limit <= PAGE_ENDPOINTS_MAX:
            raise ValueError(f"limit is 1 to {PAGE_ENDPOINTS_MAX}")
        bounds = {"tenant": tenant, "project": project, "after": after, "limit": limit + 1}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(EndpointRow)) as cursor:
            found = cursor.execute(query("page", ENDPOINTS.package), bounds).fetchall()
        return EndpointPage(tuple(found[:limit]), has_more=len(found) > limit)

    def count(self, tenant: str, project: str) -> int:
        """How many endpoints a project has."""
        with reading(self._pool) as connection:
            row = connection.execute(
                query("count", ENDPOINTS.package), {"tenant": tenant, "project": project}
            ).fetchone()
        return int(row[0]) if row else 0

    def subscribed(
        self, tenant: str, project: str | None, event_type: str, *, before_position: int
    ) -> list[EndpointRow]:
        """The enabled endpoints to tell of what happened at a position: those that were there before it.

        Of one project, or of all the tenant's (None).
        """
        key = {
            "tenant": tenant,
            "project": project,
            "event_type": event_type,
            "before": before_position,
            "limit": LIVE_ENDPOINTS_MAX,
        }
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(EndpointRow)) as cursor:
            return cursor.execute(query("subscribed", ENDPOINTS.package), key).fetchall()

    def deliveries(self, tenant: str, project: str, endpoint_id: str, limit: int = 20) -> list[DeliveryRow]:
        """The newest deliveries to an endpoint. Raises ValueError for a limit not 1 to `PAGE_DELIVERIES_MAX`."""
        if not 0 < limit <= PAGE_DELIVERIES_MAX:
            raise ValueError(f"limit is 1 to {PAGE_DELIVERIES_MAX}")
        key = {"tenant": tenant, "project": project, "endpoint_id": endpoint_id, "limit": limit}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(DeliveryRow)) as cursor:
            return cursor.execute(query("deliveries", ENDPOINTS.package), key).fetchall()


def rows(story: Story) -> Iterator[TableRow]:
    """The row of an endpoint or a delivery. Raises lifecycle.ImpossibleStep for an order that cannot be."""
    if streams.category(story.stream) == "delivery":
        yield "deliveries", _delivery(story)
        return
    endpoint = story.folded(endpoints.fold)
    if not endpoint.deleted:
        yield "endpoints", _endpoint(endpoint, story.events[0].position)


def _endpoint(endpoint: endpoints.Endpoint, created_position: int | None) -> tuple[object, ...]:
    return (
        endpoint.stream,
        endpoint.endpoint_id,
        endpoint.tenant,
        endpoint.project,
        endpoint.name,
        endpoint.url,
        list(endpoint.event_types),
        endpoint.secret_hint,
        endpoint.disabled,
        endpoint.created_at,
        endpoint.updated_at,
        created_position,
        endpoint.version,
    )


def _delivery(story: Story) -> tuple[object, ...]:
    delivery = story.folded(deliveries.fold)
    scheduled = delivery.scheduled
    return (
        story.stream,
        scheduled.delivery_id,
        scheduled.endpoint_id,
        delivery.tenant,
        scheduled.project,
        scheduled.event_id,
        scheduled.event_type,
        scheduled.video_id,
        delivery.state.value,
        delivery.attempts,
        delivery.http_status,
        delivery.code,
        delivery.scheduled_at,
        delivery.retry_at,
        story.events[-1].position,
    )


ENDPOINTS = Projection(
    name="endpoints",
    version=1,
    tables={
        "endpoints": ("stream", *(field.name for field in fields(EndpointRow))),
        "deliveries": ("stream", *(field.name for field in fields(DeliveryRow))),
    },
    rows=rows,
    categories=frozenset({"endpoint", "delivery"}),
)

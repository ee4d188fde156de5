"""Read models, folded from the ledger at every question."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from ledger.application import Ledger
from projections.api_keys import API_KEYS, ApiKeyPage, ApiKeyRow
from projections.api_keys import rows as api_key_rows
from projections.endpoints import ENDPOINTS, DeliveryRow, EndpointPage, EndpointRow
from projections.endpoints import rows as endpoint_rows
from projections.story import Story
from projections.videos import Page, Video, rows
from projections.work import rows as work_rows


class FoldedVideos:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, tenant: str, project: str | None, video_id: str) -> Video | None:
        return next((each for each in self._rows(tenant, project) if each.video_id == video_id), None)

    def some(self, tenant: str, project: str, video_ids: Sequence[str]) -> list[Video]:
        return [each for each in self._rows(tenant, project) if each.video_id in video_ids]

    def page(
        self,
        tenant: str,
        project: str | None,
        after_video_id: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Page:
        assert 1 <= limit <= 100
        shown = [each for each in self._rows(tenant, project) if each.deleted_at is None and each.phase != "denied"]
        shown.sort(key=lambda each: each.video_id, reverse=order == "desc")
        if after_video_id is not None:
            shown = [each for each in shown if (each.video_id > after_video_id) == (order == "asc")]
            shown = [each for each in shown if each.video_id != after_video_id]
        return Page(tuple(shown[:limit]), has_more=len(shown) > limit)

    def held(self, tenant: str, project: str | None, after_video_id: str | None = None, limit: int = 20) -> Page:
        found = sorted(self._rows(tenant, project), key=lambda each: each.video_id)
        held = [each for each in found if each.phase == "held" and each.video_id > (after_video_id or "")]
        return Page(tuple(held[:limit]), has_more=len(held) > limit)

    def _rows(self, tenant: str, project: str | None) -> Iterator[Video]:
        found = {event.stream for event in self._ledger.read(0, limit=10_000) if event.stream.startswith("render:")}
        for stream in sorted(found):
            for _, (_, *row) in rows(Story(stream, self._ledger.history(stream))):
                video = Video(*row)
                if video.tenant == tenant and project in (None, video.project):
                    yield video


class FoldedWork:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def reconciling(self, tenant: str, project: str | None, after: str | None, limit: int) -> list[str]:
        found = {event.stream for event in self._ledger.read(0, limit=10_000) if event.stream.startswith("render:")}
        items = [row for stream in found for _, row in work_rows(Story(stream, self._ledger.history(stream)))]
        ids = sorted(
            str(row[3])
            for row in items
            if row[1] == tenant and project in (None, row[2]) and row[4] == "reconcile" and str(row[3]) > (after or "")
        )
        return ids[:limit]


class FoldedEndpoints:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def page(self, tenant: str, project: str | None, after: str | None = None, limit: int = 20) -> EndpointPage:
        assert 1 <= limit <= 100
        found = sorted(self._endpoints(tenant, project), key=lambda each: each.endpoint_id, reverse=True)
        found = [each for each in found if after is None or each.endpoint_id < after]
        return EndpointPage(tuple(found[:limit]), has_more=len(found) > limit)

    def count(self, tenant: str, project: str) -> int:
        return len(self._endpoints(tenant, project))

    def subscribed(
        self, tenant: str, project: str | None, event_type: str, *, before_position: int
    ) -> list[EndpointRow]:
        return [
            each
            for each in self._endpoints(tenant, project)
            if each.disabled is None and event_type in each.event_types and each.created_position < before_position
        ]

    def deliveries(self, tenant: str, project: str, endpoint_id: str, limit: int = 20) -> list[DeliveryRow]:
        rows = [DeliveryRow(*row) for row in self._rows("deliveries")]
        found = [
            each for each in rows if (each.tenant, each.project, each.endpoint_id) == (tenant, project, endpoint_id)
        ]
        return sorted(found, key=lambda each: each.scheduled_at, reverse=True)[:limit]

    def _endpoints(self, tenant: str, project: str | None) -> list[EndpointRow]:
        rows = [EndpointRow(*row) for row in self._rows("endpoints")]
        return [each for each in rows if each.tenant == tenant and project in (None, each.project)]

    def _rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        streams_read = {event.stream for event in self._ledger.read(0, limit=10_000)}
        for stream in sorted(each for each in streams_read if ENDPOINTS.reads(each)):
            for name, (_, *row) in endpoint_rows(Story(stream, self._ledger.history(stream))):
                if name == table:
                    yield tuple(row)


class FoldedApiKeys:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def page(self, tenant: str, project: str | None, after: str | None = None, limit: int = 20) -> ApiKeyPage:
        assert 1 <= limit <= 100
        found = [each for each in self._rows(tenant) if project in (None, each.project)]
        found.sort(key=lambda each: each.issued_position, reverse=True)
        place = next((number for number, each in enumerate(found, start=1) if each.key_id == after), 0)
        return ApiKeyPage(tuple(found[place : place + limit]), has_more=len(found) > place + limit)

    def count(self, tenant: str, project: str, now: datetime) -> int:
        return sum(
            each.project == project and each.revoked_at is None and (each.expires_at is None or each.expires_at > now)
            for each in self._rows(tenant)
        )

    def _rows(self, tenant: str) -> list[ApiKeyRow]:
        streams_read = {event.stream for event in self._ledger.read(0, limit=10_000)}
        tables = [
            row
            for stream in sorted(each for each in streams_read if API_KEYS.reads(each))
            for _, (_, *row) in api_key_rows(Story(stream, self._ledger.history(stream)))
        ]
        return [each for each in (ApiKeyRow(*row) for row in tables) if each.tenant == tenant]

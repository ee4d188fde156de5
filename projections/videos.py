"""Which videos are there, and how does each stand?

One row a render. A client downloads as soon as it sees `completed`, so a video is `completed` here only once its file
is in our storage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from ledger import lifecycle
from ledger.events import Asset
from ledger.events.render import ReviewVerdict
from ledger.render import ENDS, STATUSES, Render, Status
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection, TableRow
from projections.story import Story

PAGE_VIDEOS_MAX = 100
"""Most videos on one page (Videos API: `limit`)."""

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Video:
    """One video as the table shows it. `prompt` and `failure_message` are ciphertext."""

    video_id: str
    tenant: str
    project: str
    requester: str
    operation: str
    status: Status
    phase: str
    progress: int
    model: str
    seconds: str
    """Length of the finished video: an extension is stitched to its source."""
    size: str
    prompt: str
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    """When the retention of our copy ends; None: never, or nothing is stored."""
    expired: bool
    """Whether it ended and the files are gone."""
    remixed_from_video_id: str | None
    failure_code: str | None
    failure_message: str | None
    deleted_at: datetime | None
    erased_at: datetime | None
    """When its words were erased."""
    erased: bool
    """Whether its files go, too: what was erased was not the prompt alone."""
    renderer: str | None
    credential: str | None
    job_id: str | None
    storage_uri: str | None
    """Where the video's file is, with its `sha256` and size in `bytes`."""
    sha256: str | None
    bytes: int | None
    review_verdict: ReviewVerdict | None
    """The last review's, with its `review_score`."""
    review_score: float | None
    reviews: int
    """How many there are."""
    version: int
    """Of the render's stream."""
    position: int
    """Of the last event in the row."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some videos, in order."""

    videos: tuple[Video, ...]
    has_more: bool


class Videos:
    """Answers from the videos table. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def get(self, tenant: str, project: str | None, video_id: str) -> Video | None:
        """One video, deleted and denied ones too; None when this project has none of that id.

        Of a project, or of any of the tenant's (None).
        """
        key = {"tenant": tenant, "project": project, "video_id": video_id}
        name = "get" if project is not None else "get_of_tenant"
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Video)) as cursor:
            return cursor.execute(query(name, VIDEOS.package), key).fetchone()

    def some(self, tenant: str, project: str, video_ids: Sequence[str]) -> list[Video]:
        """Those of these videos that this project has, in no order, deleted and denied ones too."""
        key = {"tenant": tenant, "project": project, "video_ids": list(video_ids)}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Video)) as cursor:
            return cursor.execute(query("some", VIDEOS.package), key).fetchall()

    def page(
        self,
        tenant: str,
        project: str | None,
        after_video_id: str | None = None,
        limit: int = 20,
        order: Order = "desc",
    ) -> Page:
        """Videos behind `after_video_id` by the time they were asked for, without deleted and denied ones.

        Of a project, or of all the tenant's (None). Our video ids are UUIDv7, so their order is the order of creation.
        Raises ValueError for a limit that is not 1 to `PAGE_VIDEOS_MAX`.
        """
        if not 0 < limit <= PAGE_VIDEOS_MAX:
            raise ValueError(f"limit is 1 to {PAGE_VIDEOS_MAX}")
        bounds = {"tenant": tenant, "project": project, "after": after_video_id, "limit": limit + 1}
        name = f"page_{order}" if project is not None else f"page_of_tenant_{order}"
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Video)) as cursor:
            found = cursor.execute(query(name, VIDEOS.package), bounds).fetchall()
        return Page(tuple(found[:limit]), has_more=len(found) > limit)

    def held(self, tenant: str, project: str | None, after_video_id: str | None = None, limit: int = 20) -> Page:
        """Videos that wait for an approver behind `after_video_id`, the oldest first.

        Of a project, or of all the tenant's (None). Raises ValueError for a limit that is not 1 to `PAGE_VIDEOS_MAX`.
        """
        if not 0 < limit <= PAGE_VIDEOS_MAX:
            raise ValueError(f"limit is 1 to {PAGE_VIDEOS_MAX}")
        bounds = {"tenant": tenant, "project": project, "after": after_video_id, "limit": limit + 1}
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Video)) as cursor:
            found = cursor.execute(query("held", VIDEOS.package), bounds).fetchall()
        return Page(tuple(found[:limit]), has_more=len(found) > limit)

    def tenants(self) -> list[str]:
        """The tenants that asked for renders."""
        with reading(self._pool) as connection:
            return [each for (each,) in connection.execute(query("tenants", VIDEOS.package)).fetchall()]

    def readable(self, tenant: str, after: str | None, before: str, limit: int) -> list[str]:
        """Ids of ended renders with words that can be read, behind the video id `after` and before another."""
        bounds = {"tenant": tenant, "after": after, "before": before, "limit": limit, "ends": sorted(ENDS)}
        with reading(self._pool) as connection:
            return [each for (each,) in connection.execute(query("readable", VIDEOS.package), bounds).fetchall()]


def rows(story: Story) -> Iterator[TableRow]:
    """The one row of a render. Raises lifecycle.ImpossibleStep for facts in an order that cannot be."""
    render = story.folded(lifecycle.fold)
    intent = render.intent
    asset = _video_asset(render)
    job = render.job
    failure = render.failure
    said = render.reviews[-1].said if render.reviews else None
    yield (
        "videos",
        (
            story.stream,
            intent.video_id,
            render.tenant,
            intent.project,
            intent.requester,
            intent.operation,
            STATUSES[render.phase],
            str(render.phase),
            render.progress,
            intent.model,
            intent.video_seconds,
            intent.size,
            intent.prompt,
            render.created_at,
            render.completed_at,
            render.expires_at,
            render.expired,
            intent.remix_video_id,
            failure.code if failure else None,
            failure.message if failure else None,
            render.deleted_at,
            render.erased_at,
            render.erased,
            job.renderer if job else None,
            job.credential if job else None,
            job.job_id if job else None,
            asset.storage_uri if asset else None,
            asset.sha256 if asset else None,
            asset.bytes if asset else None,
            said.verdict if said else None,
            said.score if said else None,
            len(render.reviews),
            render.version,
            story.events[-1].position,
        ),
    )


def _video_asset(render: Render) -> Asset | None:
    return next((asset for asset in render.assets if asset.variant == "video"), None)


VIDEOS = Projection(
    name="videos",
    version=5,
    tables={"videos": ("stream", *(field.name for field in fields(Video)))},
    rows=rows,
    categories=frozenset({"render"}),
)

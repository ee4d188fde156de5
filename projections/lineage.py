"""Which video was made from which?

One edge a render that names its source. A denied render made no video, so it has no edge.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from ledger import lifecycle
from ledger.events import RenderDenied, RenderIntent
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection, TableRow
from projections.story import Story

LINEAGE_DEPTH_MAX = 100
"""Most generations that are followed, up or down."""
LINEAGE_EDGES_MAX = 1_000
"""Most edges in one answer, the nearest ones first."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One video was made from another. `depth` counts generations from the video asked about."""

    parent_video_id: str
    child_video_id: str
    operation: str
    created_at: datetime
    depth: int


class Lineage:
    """Answers from the edges. Raises ledger.errors.Unavailable when the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ancestors(self, tenant: str, project: str, video_id: str) -> list[Edge]:
        """The edges from a video up to its first source, nearest first."""
        return self._family("ancestors", tenant, project, video_id)

    def descendants(self, tenant: str, project: str, video_id: str) -> list[Edge]:
        """The edges to everything made from a video, nearest first."""
        return self._family("descendants", tenant, project, video_id)

    def _family(
        self, direction: Literal["ancestors", "descendants"], tenant: str, project: str, video_id: str
    ) -> list[Edge]:
        key = {
            "tenant": tenant,
            "project": project,
            "video_id": video_id,
            "depth_max": LINEAGE_DEPTH_MAX,
            "edges_max": LINEAGE_EDGES_MAX,
        }
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Edge)) as cursor:
            return cursor.execute(query(direction, LINEAGE.package), key).fetchall()


def rows(story: Story) -> Iterator[TableRow]:
    """The edge of a render, when it names its source. Raises lifecycle.ImpossibleStep without an intent first."""
    first = story.events[0]
    intent = first.fact
    if not isinstance(intent, RenderIntent):
        raise lifecycle.ImpossibleStep(f"{intent.TYPE} before render.intent in {story.stream}")
    if intent.remix_video_id is None or any(isinstance(event.fact, RenderDenied) for event in story.events):
        return
    context = first.context
    yield (
        "edges",
        (
            story.stream,
            intent.remix_video_id,
            intent.video_id,
            context.tenant,
            intent.project,
            intent.operation,
            context.occurred_at,
        ),
    )


LINEAGE = Projection(
    name="lineage",
    version=1,
    tables={
        "edges": (
            "stream",
            "parent_video_id",
            "child_video_id",
            "tenant",
            "project",
            "operation",
            "created_at",
        )
    },
    rows=rows,
    categories=frozenset({"render"}),
)

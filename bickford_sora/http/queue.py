"""`/v1/queue`: which renders wait for a renderer, at which place, and why. Not in the protocol; in its manner."""

import math
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.forms import NO_NUL, VIDEO_ID_CHARS_MAX
from bickford_sora.http.house import TheCaller, TheHouse, authenticated
from bickford_sora.http.roles import READS
from bickford_sora.queueing import Line, Queued, Reason
from projections.queue import Counter

QUEUE_LIMIT_DEFAULT = 100
QUEUE_LIMIT_MAX = 1_000

router = APIRouter(prefix="/v1/queue", tags=["queue"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class QueueRenderer(BaseModel):
    """How one renderer stands, in counts of everybody's renders."""

    renderer: str
    in_flight: int
    in_flight_max: int | None
    """Null: no limit."""
    waiting: int
    projects: int
    """How many projects wait for it."""
    closed: str | None
    """Why nothing is handed to it at the moment; null: it is."""


class QueuedVideo(BaseModel):
    """A render that waits."""

    video_id: str
    project: str
    renderer: str
    place: int
    """From 1, among all that wait for this renderer, if nothing else comes."""
    reason: Reason
    created_at: int
    """Unix seconds."""
    not_before: int | None
    """Unix seconds; of one that is postponed."""


class QueueNow(BaseModel):
    """The queue as it is now."""

    object: Literal["queue"] = "queue"
    renderers: list[QueueRenderer]
    data: list[QueuedVideo]


@router.get("", summary="Show the queue", dependencies=[READS])
async def show(
    house: TheHouse,
    caller: TheCaller,
    video_id: Annotated[str | None, Query(max_length=VIDEO_ID_CHARS_MAX, pattern=NO_NUL)] = None,
    limit: Annotated[int, Query(ge=1, le=QUEUE_LIMIT_MAX)] = QUEUE_LIMIT_DEFAULT,
) -> QueueNow:
    """The caller's renders that wait, by renderer and place, and how many everybody has waiting and under way."""
    return told_line(await house.queue_looks.run(house.queueing.line, caller, video_id=video_id, limit=limit))


def told_line(line: Line) -> QueueNow:
    """The queue as it is answered."""
    return QueueNow(renderers=[_renderer(each) for each in line.counters], data=[_video(each) for each in line.queued])


def _renderer(each: Counter) -> QueueRenderer:
    return QueueRenderer(
        renderer=each.renderer,
        in_flight=each.in_flight,
        in_flight_max=each.in_flight_max,
        waiting=each.waiting,
        projects=each.projects,
        closed=each.closed,
    )


def _video(each: Queued) -> QueuedVideo:
    waiting = each.waiting
    not_before = waiting.not_before if each.reason == "postponed" else None
    return QueuedVideo(
        video_id=waiting.video_id,
        project=waiting.project,
        renderer=waiting.renderer,
        place=waiting.place,
        reason=each.reason,
        created_at=int(waiting.created_at.timestamp()),
        not_before=None if not_before is None else math.ceil(not_before.timestamp()),
    )

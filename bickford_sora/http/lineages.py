"""`/v1/videos/{video_id}/lineage`: what a video was made from and what was made from it. Not in the protocol."""

from typing import Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.families import Change, Family, Gone, Relative, family
from bickford_sora.http.as_of import AsOf, told
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheCaller, TheHouse, authenticated
from bickford_sora.http.lineage_svg import drawn
from bickford_sora.http.roles import READS
from bickford_sora.pasts import Past
from ledger.render import STATUSES, Status

SVG = "image/svg+xml"
SAFE = {"content-security-policy": "default-src 'none'", "x-content-type-options": "nosniff"}
"""A picture with somebody's prompts in it runs nothing and loads nothing."""

router = APIRouter(prefix="/v1/videos", tags=["videos"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class LineageChange(BaseModel):
    """One thing that differs between a video and its source."""

    field: str
    before: str | None
    """Null: the source did not have it, or its words are gone."""
    after: str | None
    gone: Gone | None
    """Why words are gone; null: they are not."""


class LineageVideo(BaseModel):
    """One video of a lineage."""

    id: str
    source_video_id: str | None
    operation: str
    depth: int
    """Steps from the video asked about: below 0 for what it was made from, above 0 for what was made from it."""
    status: Status
    deleted: bool
    created_at: int
    """Unix seconds."""
    model: str
    seconds: str
    size: str
    prompt: str | None
    gone: Gone | None
    """Why the prompt is null."""
    changes: list[LineageChange]
    """From its source."""


class VideoLineage(BaseModel):
    """A video among its ancestors and descendants, each behind its source."""

    object: Literal["video.lineage"] = "video.lineage"
    id: str
    data: list[LineageVideo]
    has_more: bool


@router.get("/{video_id}/lineage", summary="Retrieve a video's lineage", dependencies=[READS])
async def lineage(
    video_id: str, response: Response, house: TheHouse, caller: TheCaller, *, as_of: AsOf = None
) -> VideoLineage:
    """What the video was made from, what was made from it, and what each step changed."""
    found, past = await house.listing.run(family_of, house, caller, video_id, as_of)
    told(response, past)
    return told_lineage(found)


@router.get(
    "/{video_id}/lineage.svg",
    summary="Draw a video's lineage",
    dependencies=[READS],
    response_class=Response,
    responses={200: {"content": {SVG: {"schema": {"type": "string"}}}}},
)
async def picture(video_id: str, house: TheHouse, caller: TheCaller, *, as_of: AsOf = None) -> Response:
    """The lineage as a picture."""
    found, past = await house.listing.run(family_of, house, caller, video_id, as_of)
    response = Response(drawn(found), media_type=SVG, headers=SAFE)
    told(response, past)
    return response


def told_lineage(found: Family) -> VideoLineage:
    """The lineage as it is answered."""
    return VideoLineage(id=found.video_id, data=[_told(each) for each in found.relatives], has_more=found.has_more)


def _told(relative: Relative) -> LineageVideo:
    render, intent = relative.render, relative.render.intent
    return LineageVideo(
        id=intent.video_id,
        source_video_id=intent.remix_video_id,
        operation=intent.operation,
        depth=relative.depth,
        status=STATUSES[render.phase],
        deleted=render.deleted,
        created_at=int(render.created_at.timestamp()),
        model=intent.model,
        seconds=intent.video_seconds,
        size=intent.size,
        prompt=relative.prompt,
        gone=relative.gone,
        changes=[_change(each) for each in relative.changes],
    )


def _change(change: Change) -> LineageChange:
    return LineageChange(field=change.field, before=change.before, after=change.after, gone=change.gone)


# What follows runs in the synchronous world, behind the crossing.


def family_of(house: House, caller: Caller, video_id: str, as_of: str | None) -> tuple[Family, Past]:
    """The family of a video as it is, or was, and when. Raises NotFound, and InvalidRequest for an odd `as_of`."""
    past = house.pasts.now() if as_of is None else house.pasts.at(as_of)
    video = past.find(caller, video_id, param="video_id")
    return family(video, past.of_tenant(caller.tenant), house.keys), past

"""The Videos API: create, retrieve, list, delete, remix; and a retry of ours."""

from collections.abc import Callable
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import NotFound, OutcomeUnknown
from bickford_sora.http import documentation
from bickford_sora.http.bodies import read_body
from bickford_sora.http.forms import parse, plain_fields, reference_image
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.video_object import Video, View, video_objects
from ledger import streams
from ledger.errors import Unavailable
from ledger.lifecycle import Render

POLL_AFTER = "openai-poll-after-ms"
"""Tells the SDK's poll helper how long to wait; it keeps the first value it sees."""

router = APIRouter(
    prefix="/v1/videos",
    tags=["videos"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
)


class VideoPage(BaseModel):
    """The protocol's list page."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedVideo(BaseModel):
    """The protocol's answer to a deletion."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


@router.post("", summary="Ask for a video", openapi_extra=documentation.CREATE)
async def create(request: Request, response: Response, order: TheOrder) -> Video:
    """Decides whether the render may happen, records it, and answers; a worker submits it to the renderer."""
    body = await _body(request, order.house)
    video = await order.house.crossing.run(_create, order, request.headers.get("content-type"), body)
    return _told(order.house, response, video)


@router.get("", summary="List this project's renders")
async def list_page(
    house: TheHouse,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=0, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> VideoPage:
    """A page by time of creation. Shows what was recorded before the call, or what there is after a bounded wait."""
    return await house.listing.run(_page, house, caller, limit, order, after)


@router.get("/{video_id}", summary="Retrieve a video")
async def retrieve(video_id: str, response: Response, house: TheHouse, caller: TheCaller) -> Video:
    """The video as it is now, from its own facts."""
    structlog.contextvars.bind_contextvars(video_id=_known_form(video_id))
    return _told(house, response, await house.crossing.run(_retrieve, house, caller, video_id))


@router.delete("/{video_id}", summary="Delete a video")
async def delete(video_id: str, order: TheOrder) -> DeletedVideo:
    """Deletes the video; an unfinished render is cancelled. Its facts stay."""
    structlog.contextvars.bind_contextvars(video_id=_known_form(video_id))
    await order.house.crossing.run(order.house.intake.delete, order.caller, video_id, origin=order.origin)
    return DeletedVideo(id=video_id)


@router.post("/{video_id}/remix", summary="Make a new video from this one", openapi_extra=documentation.REMIX)
async def remix(video_id: str, request: Request, response: Response, order: TheOrder) -> Video:
    """A new render with another prompt and everything else the same."""
    structlog.contextvars.bind_contextvars(remixed_from_video_id=_known_form(video_id))
    body = await _body(request, order.house)
    video = await order.house.crossing.run(_remix, order, video_id, request.headers.get("content-type"), body)
    return _told(order.house, response, video)


@router.post("/{video_id}/retry", summary="Ask again for what failed", openapi_extra=documentation.RETRY)
async def retry(video_id: str, response: Response, order: TheOrder) -> Video:
    """A new render, decided anew, with the prompt and settings of one that failed. The body is not read."""
    structlog.contextvars.bind_contextvars(retry_of_video_id=_known_form(video_id))
    video = await order.house.crossing.run(_retry, order, video_id)
    return _told(order.house, response, video)


async def _body(request: Request, house: House) -> bytes:
    return await read_body(request, bytes_max=house.limits.body_bytes_max, silence_s=house.limits.body_silence_s)


def _known_form(video_id: str) -> str | None:
    """The id for the log, None when it is not one of ours and could be anything."""
    return video_id if streams.is_video_id(video_id) else None


def _told(house: House, response: Response, video: Video) -> Video:
    """The video, with the time to wait before asking again when it is not finished."""
    structlog.contextvars.bind_contextvars(video_id=video.id)
    if video.status in {"queued", "in_progress"}:
        response.headers[POLL_AFTER] = str(house.limits.poll_after_ms)
    return video


# What follows runs in the synchronous world, behind the crossing.


def _create(order: Order, content_type: str | None, body: bytes) -> Video:
    form = parse(content_type, body)
    image = reference_image(form)
    intake = order.house.intake
    return _accepted(order, lambda: intake.create(order.caller, form.fields, image, key=order.key, origin=order.origin))


def _retrieve(house: House, caller: Caller, video_id: str) -> Video:
    return _shown(house, house.intake.find(caller, video_id))


def _remix(order: Order, video_id: str, content_type: str | None, body: bytes) -> Video:
    fields = plain_fields(parse(content_type, body))
    intake = order.house.intake
    return _accepted(order, lambda: intake.remix(order.caller, video_id, fields, key=order.key, origin=order.origin))


def _retry(order: Order, video_id: str) -> Video:
    intake = order.house.intake
    return _accepted(order, lambda: intake.retry(order.caller, video_id, key=order.key, origin=order.origin))


def _accepted(order: Order, ask: Callable[[], Render]) -> Video:
    """The video that was asked for. After a lost answer only an Idempotency-Key makes a repetition safe."""
    try:
        return _shown(order.house, ask())
    except Unavailable as error:
        if order.key is not None:
            raise
        raise OutcomeUnknown(
            "It is not known whether the render was recorded. Look for it in the list before you ask again; "
            "a request with an Idempotency-Key can always be sent again.",
            code=error.code,
        ) from error


def _page(house: House, caller: Caller, limit: int, order: Literal["asc", "desc"], after: str | None) -> VideoPage:
    house.wait_for_videos(house.limits.projection_wait_s)
    if after is not None and not _is_known(house, caller, after):
        raise NotFound("No video with this id exists.", code="video_not_found", param="after")
    page = house.videos.page(caller.tenant, caller.project, after, max(limit, 1), order)
    shown = page.videos[:limit]
    data = video_objects([View.of_row(row) for row in shown], house.keys)
    return VideoPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.has_more or len(page.videos) > limit,
    )


def _is_known(house: House, caller: Caller, video_id: str) -> bool:
    """Whether the project has this video; a deleted one still marks a place in the list."""
    return streams.is_video_id(video_id) and house.videos.get(caller.tenant, caller.project, video_id) is not None


def _shown(house: House, render: Render) -> Video:
    return video_objects([View.of_render(render)], house.keys)[0]

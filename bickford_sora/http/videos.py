"""The Videos API: create, retrieve, list, delete, remix; and a retry of ours."""

from dataclasses import dataclass
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.request import create_request, remix_request
from bickford_sora.finding import unknown_video
from bickford_sora.http import asking, documentation
from bickford_sora.http.as_of import AsOf, told
from bickford_sora.http.house import House, TheCaller, TheHouse, TheLinks, TheOrder, authenticated, order_of
from bickford_sora.http.links import Links
from bickford_sora.http.roles import ASKING, ASKS, READS
from bickford_sora.http.undispatched import add_first
from bickford_sora.http.video_object import Video, View, video_objects
from bickford_sora.pasts import Past
from ledger import streams

collection = APIRouter(prefix="/v1/videos", tags=["videos"], responses=documentation.REFUSALS)
"""What is asked for often; its routes depend on the caller themselves."""
router = APIRouter(
    prefix="/v1/videos",
    tags=["videos"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
)


CANCELLATION = "bickford-cancellation"
"""Says what deleting an unfinished render does to the renderer's work on it (`decisions.deletion.Cancellation`)."""


@dataclass(frozen=True, slots=True)
class PageAsked:
    """Which page of the list is asked for."""

    limit: Annotated[int, Query(ge=0, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    as_of: AsOf = None


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


async def create(request: Request) -> Response:
    """Decides whether the render may happen, records it, and answers; a worker submits it to the renderer."""
    order = await order_of(request, ASKING)
    return await asking.ask(request, order, "create", lambda form: create_request(form.fields, form.files))


def add_create_to(router: APIRouter) -> None:
    """Adds the route on which renders are asked for."""
    add_first(
        router,
        "/v1/videos",
        create,
        summary="Ask for a video",
        tags=["videos"],
        dependencies=[ASKS],
        response_model=Video,
        responses=documentation.DESCRIBED_REFUSALS,
        openapi_extra=documentation.CREATE,
    )


@collection.get("", summary="List this project's renders", dependencies=[READS])
async def list_page(
    response: Response, house: TheHouse, caller: TheCaller, links: TheLinks, asked: Annotated[PageAsked, Depends()]
) -> VideoPage:
    """A page by time of creation. Shows what was recorded before the call, or what there is after a bounded wait.

    An auditor or admin of the tenant is shown every project's. `as_of` shows the list as it was then.
    """
    if asked.as_of is None:
        return await house.listing.run(_page, house, caller, links, asked)
    past = await house.listing.run(house.pasts.at, asked.as_of)
    told(response, past)
    return await house.listing.run(_past_page, house, caller, past, asked)


@router.get("/{video_id}", summary="Retrieve a video", dependencies=[READS])
async def retrieve(
    video_id: str, response: Response, house: TheHouse, caller: TheCaller, links: TheLinks, *, as_of: AsOf = None
) -> Video:
    """The video from its own facts, as it is now; with `as_of`, as it was then, without a link to its file."""
    structlog.contextvars.bind_contextvars(video_id=_known_form(video_id))
    if as_of is not None:
        past = await house.crossing.run(house.pasts.at, as_of)
        told(response, past)
        return await house.crossing.run(_retrieve_past, house, caller, past, video_id)
    video = await house.crossing.run(_retrieve, house, caller, links, video_id)
    response.headers.update(asking.poll_headers(house, video))
    return video


@router.delete("/{video_id}", summary="Delete a video", dependencies=[ASKS])
async def delete(video_id: str, response: Response, order: TheOrder) -> DeletedVideo:
    """Deletes the video; an unfinished render is cancelled. Its facts stay."""
    structlog.contextvars.bind_contextvars(video_id=_known_form(video_id))
    house = order.house
    cancellation = await house.crossing.run(house.intake.delete, order.caller, video_id, origin=order.origin)
    if cancellation is not None:
        response.headers[CANCELLATION] = cancellation
    return DeletedVideo(id=video_id)


@router.post(
    "/{video_id}/remix",
    summary="Make a new video from this one",
    dependencies=[ASKS],
    response_model=Video,
    openapi_extra=documentation.REMIX,
)
async def remix(video_id: str, request: Request, order: TheOrder) -> Response:
    """A new render with another prompt and everything else the same."""
    structlog.contextvars.bind_contextvars(remixed_from_video_id=_known_form(video_id))
    return await asking.ask(
        request, order, f"remix {video_id}", lambda form: remix_request(video_id, form.fields, form.files)
    )


@router.post(
    "/{video_id}/retry",
    summary="Ask again for what failed",
    dependencies=[ASKS],
    response_model=Video,
    openapi_extra=documentation.RETRY,
)
async def retry(video_id: str, request: Request, order: TheOrder) -> Response:
    """A new render, decided anew, with the prompt and settings of one that failed. The body is ignored."""
    structlog.contextvars.bind_contextvars(retry_of_video_id=_known_form(video_id))
    return await asking.ask_again(request, order, video_id)


def _known_form(video_id: str) -> str | None:
    """The id for the log, None when it is not one of ours and could be anything."""
    return video_id if streams.is_video_id(video_id) else None


# What follows runs in the synchronous world, behind the crossing.


def _retrieve(house: House, caller: Caller, links: Links, video_id: str) -> Video:
    return asking.shown(house, links, house.intake.find(caller, video_id))


def _page(house: House, caller: Caller, links: Links, asked: PageAsked) -> VideoPage:
    limit, after = asked.limit, asked.after
    house.wait_for_videos(house.limits.projection_wait_s)
    if after is not None and not _is_known(house, caller, after):
        raise unknown_video("after")
    page = house.videos.page(caller.tenant, caller.readable, after, max(limit, 1), asked.order)
    data = video_objects([View.of_row(row) for row in page.videos[:limit]], house.keys, links)
    return _listed(data, has_more=page.has_more or len(page.videos) > limit)


def _retrieve_past(house: House, caller: Caller, past: Past, video_id: str) -> Video:
    return video_objects([View.of_render(past.find(caller, video_id, param="video_id"))], house.keys, None)[0]


def _past_page(house: House, caller: Caller, past: Past, asked: PageAsked) -> VideoPage:
    limit, after = asked.limit, asked.after
    if after is not None:
        past.find(caller, after, param="after")
    page = past.page(caller.tenant, caller.readable, after, max(limit, 1), asked.order)
    data = video_objects([View.of_render(render) for render in page.renders[:limit]], house.keys, None)
    return _listed(data, has_more=page.has_more or len(page.renders) > limit)


def _listed(data: list[Video], *, has_more: bool) -> VideoPage:
    return VideoPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=has_more,
    )


def _is_known(house: House, caller: Caller, video_id: str) -> bool:
    """Whether the caller reads this video; a deleted one still marks a place in the list."""
    return streams.is_video_id(video_id) and house.videos.get(caller.tenant, caller.readable, video_id) is not None

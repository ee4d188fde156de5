"""`/v1/videos/{video_id}/reviews`: what people said of a video. Not in the protocol; in its manner."""

from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.reviews import Judgement
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import READS, REVIEWS
from ledger.events import ReviewWeights
from ledger.events.render import ReviewVerdict
from ledger.render import Review as State

REVIEW_BYTES_MAX = 64 * 1024
"""Largest request body in bytes."""

router = APIRouter(prefix="/v1/videos", tags=["reviews"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class Review(BaseModel):
    """What somebody said of a video."""

    id: str | None
    """Null in reviews older than ids."""
    object: Literal["video.review"] = "video.review"
    created_at: int
    """Unix seconds."""
    video_id: str
    reviewer: str | None
    """Opaque id."""
    verdict: ReviewVerdict
    clarity: float
    """0 to 1, as the next two."""
    continuity: float
    brand_fit: float
    review_time_s: int
    score: float | None
    """The weighted sum, never below 0, to three decimals."""
    weights: ReviewWeights | None
    """What the grades and a minute of the review counted."""
    notes: str | None
    """Null where there are none, or they were erased."""


class ReviewList(BaseModel):
    """All reviews of a video, the first one first, in the protocol's form of a page."""

    object: Literal["list"] = "list"
    data: list[Review]
    first_id: str | None
    last_id: str | None
    has_more: Literal[False] = False


_REVIEW = json_body({**Judgement.model_json_schema(), "additionalProperties": False})


@router.post("/{video_id}/reviews", summary="Say what a video is like", dependencies=[REVIEWS], openapi_extra=_REVIEW)
async def review(video_id: str, request: Request, order: TheOrder) -> Review:
    """Records a verdict, grades and notes, and scores them. Every review is kept; the last one's verdict counts."""
    limits = order.house.limits
    fields = await read_json(request, bytes_max=REVIEW_BYTES_MAX, silence_s=limits.body_silence_s)
    return await order.house.crossing.run(_taken, order, video_id, fields)


@router.get("/{video_id}/reviews", summary="List a video's reviews", dependencies=[READS])
async def list_all(video_id: str, house: TheHouse, caller: TheCaller) -> ReviewList:
    """What was said of it."""
    return await house.crossing.run(_listed, house, caller, video_id)


# What follows runs in the synchronous world, behind the crossing.


def _taken(order: Order, video_id: str, fields: dict[str, object]) -> Review:
    taken = order.house.reviews.take(order.caller, video_id, fields, origin=order.origin)
    return _shown(order.house, video_id, [taken])[0]


def _listed(house: House, caller: Caller, video_id: str) -> ReviewList:
    data = _shown(house, video_id, house.reviews.of(caller, video_id))
    return ReviewList(data=data, first_id=data[0].id if data else None, last_id=data[-1].id if data else None)


def _shown(house: House, video_id: str, reviews: Sequence[State]) -> list[Review]:
    texts = house.keys.open_all([each.said.notes for each in reviews if each.said.notes is not None])
    return [
        Review(
            id=each.said.review_id,
            created_at=int(each.at.timestamp()),
            video_id=video_id,
            notes=texts[each.said.notes] if each.said.notes is not None else None,
            **each.said.model_dump(exclude={"review_id", "notes", "weights"}),
            weights=each.said.weights,
        )
        for each in reviews
    ]

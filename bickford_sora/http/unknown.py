"""`/v1/unknown`: unknown outcomes and lost jobs, and what an operator decides. Not in the protocol; in its manner."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.unknown import doubt
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.forms import NO_NUL, VIDEO_ID_CHARS_MAX
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ADMINISTERS, OVERSEES
from bickford_sora.unknown import Adoption, Verdict
from ledger.events import Money
from ledger.events.recovery import Doubt
from ledger.render import STATUSES, Render, Status

DECISION_BYTES_MAX = 16 * 1024
"""Largest request body in bytes."""

router = APIRouter(prefix="/v1/unknown", tags=["unknown"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class UnknownRender(BaseModel):
    """A render of which nobody knows what became of its job, and what an operator needs to know of it."""

    id: str
    """Its video id."""
    object: Literal["unknown"] = "unknown"
    doubt: Doubt | None
    """`unknown`: whether the renderer took it; `lost`: the renderer forgot the job. Null once that was decided."""
    status: Status
    """What clients are told."""
    project: str
    requester: str
    """Opaque id of who asked."""
    requested_at: int
    """Unix seconds."""
    submitted_at: int | None
    """Unix seconds."""
    model: str
    seconds: str
    size: str
    renderer: str | None
    credential: str | None
    replica: str | None
    """The process that was asked."""
    attempt: int
    job_id: str | None
    """Of a lost job, the renderer's own id."""
    code: str | None
    """What the last look for it met."""
    rule: Literal["hold", "resubmit", "fail"] | None
    """What the configuration does about it, in its time."""
    cost: Money | None
    """What one job was expected to cost."""
    jobs_written_off: int
    """How many jobs may have been billed for it beside its own."""


class UnknownRenderList(BaseModel):
    """A page of what waits for a decision, the oldest first."""

    object: Literal["list"] = "list"
    data: list[UnknownRender]
    last_id: str | None
    """Where the next page begins; there may be more also when `data` is empty."""
    has_more: bool


_ADOPTION = json_body({**Adoption.model_json_schema(), "additionalProperties": False})
_VERDICT = json_body({**Verdict.model_json_schema(), "additionalProperties": False})


@router.get("", summary="List unknown outcomes and lost jobs", dependencies=[OVERSEES])
async def list_page(
    house: TheHouse,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=VIDEO_ID_CHARS_MAX, pattern=NO_NUL)] = None,
) -> UnknownRenderList:
    """A page of the renders that are held until something is found out or decided, the oldest first."""
    return await house.listing.run(found_page, house, caller, limit, after)


@router.post("/{video_id}/adopt", summary="Adopt a job", dependencies=[ADMINISTERS], openapi_extra=_ADOPTION)
async def adopt(video_id: str, request: Request, order: TheOrder) -> UnknownRender:
    """Takes a job of the renderer as this render's. The renderer is asked whether it is what was asked for."""
    fields = await _fields(request, order.house)
    adopted = order.house.unknown.adopt
    return await order.house.making.run(
        lambda: _object(order.house, adopted(order.caller, video_id, fields, origin=order.origin))
    )


@router.post("/{video_id}/resubmit", summary="Submit again", dependencies=[ADMINISTERS], openapi_extra=_VERDICT)
async def resubmit(video_id: str, request: Request, order: TheOrder) -> UnknownRender:
    """Submits it again, whatever became of the job before: that one is booked as if it were billed."""
    return await _decided(video_id, request, order, "resubmit")


@router.post("/{video_id}/abandon", summary="Give up", dependencies=[ADMINISTERS], openapi_extra=_VERDICT)
async def abandon(video_id: str, request: Request, order: TheOrder) -> UnknownRender:
    """Nothing more is done: the render fails, and what may have been billed is booked."""
    return await _decided(video_id, request, order, "abandon")


async def _decided(
    video_id: str, request: Request, order: Order, name: Literal["resubmit", "abandon"]
) -> UnknownRender:
    fields = await _fields(request, order.house)
    decide = order.house.unknown.resubmit if name == "resubmit" else order.house.unknown.abandon
    return await order.house.crossing.run(
        lambda: _object(order.house, decide(order.caller, video_id, fields, origin=order.origin))
    )


async def _fields(request: Request, house: House) -> dict[str, object]:
    return await read_json(request, bytes_max=DECISION_BYTES_MAX, silence_s=house.limits.body_silence_s)


# What follows runs in the synchronous world, behind the crossing.


def found_page(house: House, caller: Caller, limit: int, after: str | None) -> UnknownRenderList:
    """A page of the renders that wait for a decision."""
    house.wait_for_work(house.limits.projection_wait_s)
    found = house.unknown.page(caller, after, limit)
    data = [_object(house, each) for each in found.renders]
    return UnknownRenderList(data=data, last_id=found.last_id, has_more=found.has_more)


def _object(house: House, render: Render) -> UnknownRender:
    intent, about = render.intent, doubt(render)
    place = render.job or render.submission
    recovery = house.unknown.recovery(render)
    rules = {"unknown": recovery.on_unknown, "lost": recovery.on_lost}
    quote = render.allowed.quote if render.allowed else None
    return UnknownRender(
        id=intent.video_id,
        doubt=about,
        status=STATUSES[render.phase],
        project=intent.project,
        requester=intent.requester,
        requested_at=int(render.created_at.timestamp()),
        submitted_at=int(render.submission.started_at.timestamp()) if render.submission else None,
        model=intent.model,
        seconds=intent.seconds,
        size=intent.size,
        renderer=place.renderer if place else None,
        credential=place.credential if place else None,
        replica=place.replica if place else None,
        attempt=render.attempts,
        job_id=render.job.job_id if render.job else None,
        code=render.trouble.code if render.trouble else None,
        rule=rules[about] if about else None,
        cost=quote.cost if quote else None,
        jobs_written_off=render.written_off,
    )

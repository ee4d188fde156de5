"""`/v1/approvals`: renders that wait until somebody else has looked at them. Not in the protocol; in its manner."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from bickford_sora.approvals import Outcome
from bickford_sora.decisions import approvals as decisions
from bickford_sora.decisions.approvals import Answer, AnswerToSeveral
from bickford_sora.decisions.caller import Caller
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheLinks, TheOrder, authenticated
from bickford_sora.http.links import Links
from bickford_sora.http.roles import APPROVES, ASKS, READS
from bickford_sora.http.video_object import Video, VideoError, View, video_objects
from ledger import streams
from ledger.events import Money
from ledger.render import Phase, Render

ANSWER_BYTES_MAX = 64 * 1024
"""Largest request body in bytes."""

router = APIRouter(
    prefix="/v1/approvals", tags=["approvals"], dependencies=[Depends(authenticated)], responses=REFUSALS
)

State = Literal["pending", "approved", "started", "denied", "cancelled"]


class Approval(BaseModel):
    """A render that is, or was, held, and what an approver needs to know of it."""

    id: str
    object: Literal["approval"] = "approval"
    state: State
    """`approved`: it may be started; `started`: it was."""
    on_hold: Literal["wait", "refuse"]
    """Whether it starts when it is approved, or when the client asks again."""
    video_id: str
    project: str
    requester: str
    """Opaque id of who asked."""
    requested_at: int
    """Unix seconds."""
    expires_at: int | None
    rule: str | None
    """The rule that holds it."""
    rules: list[str]
    """All that matched."""
    message: str
    """What the rule says."""
    model: str
    seconds: str
    size: str
    prompt: str | None
    """Null once it was erased."""
    cost: Money | None
    approver: str | None
    """Opaque id of who approved it."""


class ApprovalOutcome(BaseModel):
    """What became of one of several answers."""

    id: str
    object: Literal["approval.outcome"] = "approval.outcome"
    approval: Approval | None
    error: VideoError | None


class ApprovalPage(BaseModel):
    """A page in the protocol's form."""

    object: Literal["list"] = "list"
    data: list[Approval]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ApprovalOutcomes(BaseModel):
    """What became of several answers, in their order."""

    object: Literal["list"] = "list"
    data: list[ApprovalOutcome]


_ANSWER = json_body({**Answer.model_json_schema(), "additionalProperties": False})
_ANSWERS = json_body({**AnswerToSeveral.model_json_schema(), "additionalProperties": False})


@router.get("", summary="List what waits for an approver", dependencies=[READS])
async def list_page(
    house: TheHouse,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> ApprovalPage:
    """A page of the renders that are held, the oldest first."""
    return await house.listing.run(_page, house, caller, limit, after)


@router.get("/{approval_id}", summary="Retrieve an approval", dependencies=[READS])
async def retrieve(approval_id: str, house: TheHouse, caller: TheCaller) -> Approval:
    """The approval as it is now."""
    return await house.crossing.run(lambda: approval_object(house, house.approvals.find(caller, approval_id)))


@router.post("", summary="Approve or deny several", dependencies=[APPROVES], openapi_extra=_ANSWERS)
async def answer_several(request: Request, order: TheOrder) -> ApprovalOutcomes:
    """Each is answered for itself: one that is too late hinders no other."""
    fields = await _fields(request, order.house)
    return await order.house.crossing.run(_answered_several, order, fields)


@router.post("/{approval_id}", summary="Approve or deny", dependencies=[APPROVES], openapi_extra=_ANSWER)
async def answer(approval_id: str, request: Request, order: TheOrder) -> Approval:
    """An approver's answer, with a reason. Whoever asked for the render cannot give it."""
    fields = await _fields(request, order.house)
    return await order.house.crossing.run(_answered, order, approval_id, fields)


@router.post("/{approval_id}/start", summary="Start what was approved", dependencies=[ASKS])
async def start(approval_id: str, order: TheOrder, links: TheLinks) -> Video:
    """Starts a render that was refused until it was approved. What is on its way already is only shown."""
    return await order.house.crossing.run(_started, order, approval_id, links)


async def _fields(request: Request, house: House) -> dict[str, object]:
    return await read_json(request, bytes_max=ANSWER_BYTES_MAX, silence_s=house.limits.body_silence_s)


# What follows runs in the synchronous world, behind the crossing.


def held(house: House, caller: Caller, limit: int, after: str | None) -> tuple[list[Render], bool]:
    """Renders that wait for an approver behind the approval `after`, the oldest first, and whether there are more."""
    house.wait_for_videos(house.limits.projection_wait_s)
    page = house.approvals.page(caller, after, limit)
    return [house.approvals.find(caller, streams.approval_id(each.video_id)) for each in page.videos], page.has_more


def _page(house: House, caller: Caller, limit: int, after: str | None) -> ApprovalPage:
    renders, has_more = held(house, caller, limit, after)
    data = [approval_object(house, each) for each in renders]
    return ApprovalPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=has_more,
    )


def _answered(order: Order, approval_id: str, fields: dict[str, object]) -> Approval:
    said = decisions.read(fields)
    return approval_object(
        order.house, order.house.approvals.answer(order.caller, approval_id, said, origin=order.origin)
    )


def _answered_several(order: Order, fields: dict[str, object]) -> ApprovalOutcomes:
    outcomes = order.house.approvals.answer_several(order.caller, fields, origin=order.origin)
    return ApprovalOutcomes(data=[_outcome(order.house, each) for each in outcomes])


def _started(order: Order, approval_id: str, links: Links) -> Video:
    render = order.house.approvals.start(order.caller, approval_id, origin=order.origin)
    return video_objects([View.of_render(render)], order.house.keys, links)[0]


def _outcome(house: House, outcome: Outcome) -> ApprovalOutcome:
    return ApprovalOutcome(
        id=outcome.approval_id,
        approval=approval_object(house, outcome.render) if outcome.render else None,
        error=VideoError(code=outcome.error.code, message=outcome.error.message) if outcome.error else None,
    )


def approval_object(house: House, render: Render) -> Approval:
    """The approval as it is answered."""
    assert render.approval is not None, render.stream  # noqa: S101 - `find` says so
    intent, requested = render.intent, render.approval.requested
    until = requested.expires_at
    return Approval(
        id=requested.approval_id,
        state=_state(render),
        on_hold=requested.on_hold,
        video_id=intent.video_id,
        project=intent.project,
        requester=intent.requester,
        requested_at=int(render.created_at.timestamp()),
        expires_at=int(until.timestamp()) if until else None,
        rule=requested.verdict.decided_by,
        rules=[*requested.verdict.rules],
        message=requested.message,
        model=intent.model,
        seconds=intent.seconds,
        size=intent.size,
        prompt=house.intake.prompt(render),
        cost=requested.quote.cost if requested.quote else None,
        approver=render.approval.approver,
    )


def _state(render: Render) -> State:
    assert render.approval is not None, render.stream  # noqa: S101 - `find` says so
    if render.phase is Phase.HELD:
        return "pending" if render.approval.approver is None else "approved"
    if render.allowed is not None:
        return "started"
    return "denied" if render.phase is Phase.DENIED else "cancelled"

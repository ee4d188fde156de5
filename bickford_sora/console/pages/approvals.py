"""Approvals: the renders that wait until somebody else has looked at them, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel

from bickford_sora.approvals import Outcome
from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.routing import Pages
from bickford_sora.decisions import approvals as decisions
from bickford_sora.decisions.approvals import REASON_CHARS_MAX
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest
from bickford_sora.http.approvals import Approval, approval_object, held
from bickford_sora.http.roles import APPROVES, ASKS, READS
from ledger.render import Render

PAGE_APPROVALS = 50
"""Held renders of one page; one answer may be for all of them."""
NEWS_MAX = 100
"""So many more are counted that wait behind those of a page."""

pages = Pages()


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a page begins."""

    after: str = Query("", max_length=100)


class HeldRender(BaseModel):
    """A render that is, or was, held, with what an approver decides on."""

    approval: Approval
    requested_at: datetime
    expires_at: datetime | None
    saw: dict[str, Any]
    """What the rules looked at."""
    policy_hash: str
    remixed_from_video_id: str | None
    operation: str
    purpose: str | None
    is_own: bool
    """Whether the visitor asked for it, and so does not approve it."""
    may_answer: bool
    may_start: bool
    """Whether it was approved, and the visitor may start it."""


class Inbox(BaseModel):
    """A page of what waits."""

    held: Sequence[HeldRender]
    has_more: bool
    last_id: str | None
    """Behind it stands what came since."""
    answerable: int
    """How many of them the visitor may answer."""
    reason_chars_max: int = REASON_CHARS_MAX


class News(BaseModel):
    """How many wait behind those that are shown."""

    count: int


@pages.page("/approvals", "approvals.html", takes=READS)
async def approvals(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> Inbox:
    """What waits for an approver."""
    return await visit.read(lambda visit: _inbox(visit, asked.after))


@pages.part("/approvals/news", "parts/approvals_news.html", takes=READS)
async def news(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> News:
    """How many wait that a page does not show yet."""
    return await visit.read(lambda visit: _news(visit, asked.after))


@pages.part("/approvals/{approval_id}/card", "parts/held_card.html", takes=READS)
async def card(approval_id: str, visit: TheVisit) -> HeldRender:
    """One of them, as it is now."""
    return await visit.read(lambda visit: _shown(visit, visit.house.approvals.find(visit.caller, approval_id)))


@pages.action("/approvals/answer", takes=APPROVES)
async def answer_several(act: TheAct) -> str:
    """Approves or denies those that were chosen, each for itself."""
    chosen = act.texts("ids")
    if not 0 < len(chosen) <= PAGE_APPROVALS:
        raise InvalidRequest(f"Choose 1 to {PAGE_APPROVALS} renders.", code="invalid_value", param="ids")
    decision = act.text("decision")
    said: dict[str, object] = {"decision": decision, "reason": act.text(f"reason-{decision}"), "approvals": chosen}
    outcomes = await act.order.house.crossing.run(_answered_several, act, said)
    if all(each.error is None for each in outcomes):
        return f"/approvals?done={_word(act)}-several"
    return "/approvals?done=answered-some"


@pages.action("/approvals/{approval_id}/answer", takes=APPROVES)
async def answer(approval_id: str, act: TheAct) -> str:
    """An approver's answer to one."""
    order = act.order
    said = decisions.read({"decision": act.text("decision"), "reason": act.text("reason")})
    await order.house.crossing.run(order.house.approvals.answer, order.caller, approval_id, said, origin=order.origin)
    return f"/approvals?done={_word(act)}"


@pages.action("/approvals/{approval_id}/start", takes=ASKS)
async def start(approval_id: str, act: TheAct) -> str:
    """Starts what was refused until it was approved."""
    order = act.order
    render = await order.house.crossing.run(order.house.approvals.start, order.caller, approval_id, origin=order.origin)
    return f"/renders/{render.intent.video_id}?done=started"


def _word(act: Act) -> str:
    return "approved" if act.text("decision") == "approve" else "denied"


# What follows runs in the synchronous world, behind the crossing.


def _answered_several(act: Act, said: dict[str, object]) -> list[Outcome]:
    return act.order.house.approvals.answer_several(act.order.caller, said, origin=act.order.origin)


def _inbox(visit: Visit, after: str) -> Inbox:
    renders, has_more = held(visit.house, visit.caller, PAGE_APPROVALS, after or None)
    shown = [_shown(visit, each) for each in renders]
    return Inbox(
        held=shown,
        has_more=has_more,
        last_id=shown[-1].approval.id if shown else None,
        answerable=sum(each.may_answer for each in shown),
    )


def _news(visit: Visit, after: str) -> News:
    renders, _ = held(visit.house, visit.caller, NEWS_MAX, after or None)
    return News(count=len(renders))


def _shown(visit: Visit, render: Render) -> HeldRender:
    approval = approval_object(visit.house, render)
    assert render.approval is not None, render.stream  # noqa: S101 - `find` says so
    requested, intent = render.approval.requested, render.intent
    is_own = visit.house.approvals.is_own(visit.caller, render)
    return HeldRender(
        approval=approval,
        requested_at=render.created_at,
        expires_at=requested.expires_at,
        saw=dict(requested.verdict.saw),
        policy_hash=requested.verdict.policy_hash,
        remixed_from_video_id=intent.remix_video_id,
        operation=intent.operation,
        purpose=intent.purpose,
        is_own=is_own,
        may_answer=approval.state == "pending" and not is_own and _may_answer(visit.caller, render),
        may_start=approval.state == "approved" and _may_start(visit.caller, render),
    )


def _may_answer(caller: Caller, render: Render) -> bool:
    """What the use case would refuse anyway is not offered."""
    return "approver" in caller.roles and render.intent.project == caller.project


def _may_start(caller: Caller, render: Render) -> bool:
    return "requester" in caller.roles and render.intent.project == caller.project

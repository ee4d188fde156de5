"""Renders of which nobody knows what became of their jobs, and what an operator decides of them."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel

from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.console import TheVisit
from bickford_sora.console.routing import Pages
from bickford_sora.http.forms import NO_NUL, VIDEO_ID_CHARS_MAX
from bickford_sora.http.roles import ADMINISTERS, OVERSEES
from bickford_sora.http.unknown import UnknownRender, found_page

PAGE_RENDERS = 50

pages = Pages()


class Doubts(BaseModel):
    """A page of them, the oldest first."""

    renders: list[UnknownRender]
    after: str | None
    """Where the next page begins; None: this is the last."""
    may_decide: bool


@pages.page("/unknown", "doubts.html", takes=OVERSEES)
async def doubts(
    visit: TheVisit, after: Annotated[str, Query(max_length=VIDEO_ID_CHARS_MAX, pattern=NO_NUL)] = ""
) -> Doubts:
    """What waits for a decision."""
    found = await visit.read(lambda visit: found_page(visit.house, visit.caller, PAGE_RENDERS, after or None))
    return Doubts(renders=found.data, after=found.last_id if found.has_more else None, may_decide=visit.may("admin"))


@pages.action("/unknown/{video_id}/adopt", takes=ADMINISTERS)
async def adopt(video_id: str, act: TheAct) -> str:
    """Takes a job of the renderer as this render's. The renderer is asked whether it is what was asked for."""
    order = act.order
    await order.house.making.run(order.house.unknown.adopt, order.caller, video_id, act.fields, origin=order.origin)
    return "/unknown?done=adopted"


@pages.action("/unknown/{video_id}/resubmit", takes=ADMINISTERS)
async def resubmit(video_id: str, act: TheAct) -> str:
    """Submits it again, whatever became of the job before."""
    return await _decided(act, video_id, "resubmit")


@pages.action("/unknown/{video_id}/abandon", takes=ADMINISTERS)
async def abandon(video_id: str, act: TheAct) -> str:
    """Gives it up, and books what may have been billed."""
    return await _decided(act, video_id, "abandon")


async def _decided(act: Act, video_id: str, name: Literal["resubmit", "abandon"]) -> str:
    order = act.order
    unknown = order.house.unknown
    decide = unknown.resubmit if name == "resubmit" else unknown.abandon
    await order.house.crossing.run(decide, order.caller, video_id, act.fields, origin=order.origin)
    return "/unknown?done=resubmitted" if name == "resubmit" else "/unknown?done=abandoned"

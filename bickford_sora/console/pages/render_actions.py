"""What is done with renders: each form calls what the HTTP route of the same name calls."""

from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.request import ParsedRequest, edit_request, extension_request, remix_request
from bickford_sora.errors import InvalidRequest, ProtocolError
from bickford_sora.http.roles import ASKS, REVIEWS
from ledger import streams
from ledger.render import Render

SELECTED_MAX = 50
"""Renders of one form that acts on several."""
GRADES = ("clarity", "continuity", "brand_fit")

pages = Pages()


@pages.action("/renders/{video_id}/remix", takes=ASKS)
async def remix(video_id: str, act: TheAct) -> str:
    """A new render with another prompt."""
    return await _asked(act, f"remix {video_id}", remix_request(video_id, act.fields, act.files))


@pages.action("/renders/{video_id}/edit", takes=ASKS)
async def edit(video_id: str, act: TheAct) -> str:
    """A new render, changed as the prompt says."""
    return await _asked(act, "edit", edit_request({**act.fields, "video": {"id": video_id}}, act.files))


@pages.action("/renders/{video_id}/extend", takes=ASKS)
async def extend(video_id: str, act: TheAct) -> str:
    """A new render that goes on where this one ends."""
    return await _asked(act, "extend", extension_request({**act.fields, "video": {"id": video_id}}, act.files))


@pages.action("/renders/{video_id}/retry", takes=ASKS)
async def retry(video_id: str, act: TheAct) -> str:
    """Asks anew for what failed."""
    order = act.order
    terms = order.terms(f"retry {video_id}", None)
    answer = await order.house.crossing.run(order.house.intake.retry, order.caller, video_id, terms)
    return _at(answer.render)


@pages.action("/renders/{video_id}/cancel", takes=ASKS)
async def cancel(video_id: str, act: TheAct) -> str:
    """Ends an unfinished render, which is to delete it."""
    await _deleted(act, video_id)
    return "/renders?done=cancelled"


@pages.action("/renders/{video_id}/delete", takes=ASKS)
async def delete(video_id: str, act: TheAct) -> str:
    """Deletes a video."""
    await _deleted(act, video_id)
    return "/renders?done=deleted"


@pages.action("/renders/delete-several", takes=ASKS)
async def delete_several(act: TheAct) -> str:
    """Deletes or cancels those that were chosen; one that cannot be hinders no other."""
    chosen = act.texts("ids")
    if not 0 < len(chosen) <= SELECTED_MAX:
        raise InvalidRequest(f"Choose 1 to {SELECTED_MAX} renders.", code="invalid_value", param="ids")
    done = 0
    for video_id in chosen:
        try:
            await _deleted(act, video_id)
        except ProtocolError:
            continue
        done += 1
    return "/renders?done=several" if done == len(chosen) else "/renders?done=some"


@pages.action("/renders/{video_id}/review", takes=REVIEWS)
async def review(video_id: str, act: TheAct) -> str:
    """What somebody who looked at the video says of it."""
    order = act.order
    said = {**act.fields, **{name: _number(act, name) for name in (*GRADES, "review_time_minutes")}}
    await order.house.crossing.run(order.house.reviews.take, order.caller, video_id, said, origin=order.origin)
    return f"{_address(video_id)}?done=reviewed"


async def _asked(act: Act, route: str, parsed: ParsedRequest) -> str:
    order = act.order
    terms = order.terms(route, parsed)
    answer = await order.house.crossing.run(order.house.intake.ask, order.caller, parsed, terms)
    return _at(answer.render)


async def _deleted(act: Act, video_id: str) -> None:
    order = act.order
    await order.house.crossing.run(order.house.intake.delete, order.caller, video_id, origin=order.origin)


def _at(render: Render) -> str:
    return f"{_address(render.intent.video_id)}?done=asked"


def _address(video_id: str) -> str:
    return f"/renders/{video_id}" if streams.is_video_id(video_id) else "/renders"


def _number(act: Act, name: str) -> float:
    try:
        return float(act.text(name))
    except ValueError:
        raise InvalidRequest("Write a number.", code="invalid_value", param=name) from None

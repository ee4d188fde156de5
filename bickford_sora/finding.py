"""Renders by their ids, as far as a caller may know of them."""

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import NotFound
from ledger import streams
from ledger.application import Ledger
from ledger.render import Render


def find(ledger: Ledger, caller: Caller, video_id: str, *, param: str) -> Render:
    """A render of the caller's project. Raises NotFound when there is none, it is another's, or was deleted."""
    render = find_to_read(ledger, caller, video_id, param=param)
    if render.intent.project != caller.project:
        raise unknown_video(param)
    return render


def find_to_read(ledger: Ledger, caller: Caller, video_id: str, *, param: str) -> Render:
    """As `find`, of any project the caller reads."""
    known = streams.is_video_id(video_id)
    return readable(ledger.render(streams.render(caller.tenant, video_id)) if known else None, caller, param=param)


def readable(render: Render | None, caller: Caller, *, param: str) -> Render:
    """A render that was looked up, as far as the caller may know of it. Raises NotFound as `find_to_read`."""
    if render is None or not caller.reads(render.intent.project) or render.deleted:
        raise unknown_video(param)
    return render


def unknown_video(param: str) -> NotFound:
    """The error for a video that is not there, or that the caller is not to know of."""
    return NotFound("No video with this id exists.", code="video_not_found", param=param)

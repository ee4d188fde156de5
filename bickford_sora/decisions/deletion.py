"""Deciding to delete a video: finished or not, its facts stay."""

from typing import Literal

from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.holds import check_free
from bickford_sora.renderers.port import Capabilities
from ledger.envelope import Fact
from ledger.events import RenderCancelled, RenderDeleted, RenderPurged
from ledger.holds import Holds
from ledger.render import Phase, Render

Cancellation = Literal["aborting", "not_supported", "not_sent", "too_late"]
"""What deleting an unfinished render does to the renderer's work on it: it is stopped, or it cannot be; it never
began; or it is done already."""


def delete(render: Render, holds: Holds) -> Draft:
    """Deletes; an unfinished render is cancelled first. Deleting twice changes nothing.

    Raises Conflicting where a legal hold keeps it.
    """
    if render.deleted:
        return NOTHING
    check_free(holds.covering(render), param="video_id")
    facts: list[tuple[str, Fact]] = []
    if not render.ended:
        facts.append((render.stream, RenderCancelled(reason="deleted")))
    facts.append((render.stream, RenderDeleted()))
    return Draft(tuple(facts), {render.stream: render.version, **holds.head})


def cancellation(render: Render, can: Capabilities | None) -> Cancellation | None:
    """What deleting this render does to the renderer's work; None when it has ended, and nothing was left to stop.

    `can` is what the renderer that was asked is able to do; None when it is not configured any more.
    """
    if render.ended:
        return None
    if render.phase is Phase.COMPLETED:
        return "too_late"
    if render.job is None and not render.submission_open:
        return "not_sent"
    return "aborting" if can is not None and can.cancels else "not_supported"


def purged(render: Render, purge: RenderPurged) -> Draft:
    """Records that the copies are gone."""
    if render.purged:
        return NOTHING
    return Draft(((render.stream, purge),), {render.stream: render.version})

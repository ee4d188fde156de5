"""Deciding to delete a video: finished or not, its facts stay."""

from bickford_sora.decisions.drafts import NOTHING, Draft
from ledger.envelope import Fact
from ledger.events import RenderCancelled, RenderDeleted, RenderPurged
from ledger.lifecycle import Render


def delete(render: Render) -> Draft:
    """Deletes; an unfinished render is cancelled first. Deleting twice changes nothing."""
    if render.deleted:
        return NOTHING
    facts: list[tuple[str, Fact]] = []
    if not render.ended:
        facts.append((render.stream, RenderCancelled(reason="deleted")))
    facts.append((render.stream, RenderDeleted()))
    return Draft(tuple(facts), {render.stream: render.version})


def purged(render: Render, purge: RenderPurged) -> Draft:
    """Records that the copies are gone."""
    if render.purged:
        return NOTHING
    return Draft(((render.stream, purge),), {render.stream: render.version})

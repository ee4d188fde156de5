"""Deciding how long our copy of a video is kept."""

from datetime import datetime, timedelta

from bickford_sora.decisions.drafts import NOTHING, Draft
from ledger.events import RenderExpired
from ledger.render import Phase, Render


def ends_at(stored_at: datetime, retention_s: float | None) -> datetime | None:
    """When a copy that is stored now goes; None: never. What was recorded is not changed by a later setting."""
    return None if retention_s is None else stored_at + timedelta(seconds=retention_s)


def has_ended(render: Render, now: datetime) -> bool:
    """Whether the time of a stored video's files is over, and they are still ours to delete."""
    kept = render.phase is Phase.STORED and not (render.expired or render.goes)
    return kept and render.expires_at is not None and now >= render.expires_at


def expired(render: Render, now: datetime, *, assets_deleted: int) -> Draft:
    """Records that the files are gone. A render that was deleted or erased meanwhile is the purge's."""
    if not has_ended(render, now):
        return NOTHING
    return Draft(((render.stream, RenderExpired(assets_deleted=assets_deleted)),), {render.stream: render.version})

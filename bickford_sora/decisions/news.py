"""Deciding what a renderer's news of a job changes. Late, repeated and reordered news changes nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bickford_sora.decisions import unknown
from bickford_sora.decisions.catalogue import Recovery
from bickford_sora.decisions.drafts import NOTHING, Draft
from ledger.envelope import Fact, Sealed
from ledger.events import (
    Asset,
    RenderAssetLost,
    RenderAttemptFailed,
    RenderCompleted,
    RenderFailed,
    RenderProgress,
    RenderStored,
    Reported,
)
from ledger.lifecycle import PROGRESS_INTERVAL_S, PROGRESS_STEP
from ledger.render import Phase, Render

JOB_GONE = "job_gone"
"""Code of the trouble that the renderer does not know a job."""
FILE_MISSING = "renderer_asset_missing"
"""Code of the trouble that the renderer has no such file, as one has not that forgot the job."""
LOOKS_MIN = 3
"""How many polls a job is missed in at least, before it is believed to be lost."""
_AT_RENDERER = frozenset({Phase.QUEUED, Phase.IN_PROGRESS})


@dataclass(frozen=True, slots=True)
class News:
    """What the renderer says of a job now."""

    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    error_code: str | None = None
    error_message: Sealed | None = None
    reported: Reported | None = None
    """Of a completed job: what it made and charged."""


def heard(render: Render, news: News, now: datetime) -> Draft:
    """What the news adds to the render's history; nothing when it says what is known."""
    if render.phase not in _AT_RENDERER | {Phase.LOST}:
        return NOTHING
    if news.status == "completed":
        fact = RenderCompleted(completed_at=news.completed_at, expires_at=news.expires_at, reported=news.reported)
        return _one(render, fact)
    if news.status == "failed":
        code = news.error_code or "renderer_failed"
        return _one(render, RenderFailed(code=code, message=news.error_message, failed_by="renderer"))
    return _got_further(render, news, now)


def _got_further(render: Render, news: News, now: datetime) -> Draft:
    """What news of an unfinished job adds."""
    if render.phase is Phase.LOST:  # it is there again
        return _one(render, RenderProgress(status=news.status, progress=news.progress))
    if news.status == "in_progress" and _is_further(render, news.progress, now):
        return _one(render, RenderProgress(status=news.status, progress=news.progress))
    if render.trouble is not None and render.trouble.code == JOB_GONE:
        # The job is there again, which is news: the next time it is missed must count as the first.
        status = "queued" if render.phase is Phase.QUEUED else "in_progress"
        return _one(render, RenderProgress(status=status, progress=render.progress))
    return NOTHING


def trouble(render: Render, fact: RenderAttemptFailed) -> Draft:
    """Records trouble with the renderer when it is new: the same step and code twice in a row is no news."""
    last = render.trouble
    if last is not None and (last.step, last.code) == (fact.step, fact.code):
        return NOTHING
    return _one(render, fact)


def job_gone(
    render: Render, http_status: int | None, now: datetime, recovery: Recovery, *, poll_interval_s: float
) -> Draft:
    """The renderer says it does not know the job. Believed when it still says so after the grace and several looks.

    The first time may be a proxy's mistake, or a renderer that shows a job some time after it took it.
    """
    if render.phase not in _AT_RENDERER or render.job is None:
        return NOTHING
    if render.trouble is None or render.trouble.code != JOB_GONE:
        return _one(render, RenderAttemptFailed(step="follow", code=JOB_GONE, http_status=http_status))
    grace_s = max(recovery.lost_grace_s, LOOKS_MIN * poll_interval_s)
    if render.last_event_at is not None and now - render.last_event_at < timedelta(seconds=grace_s):
        return NOTHING
    return unknown.lost(render, http_status, recovery)


def file_gone(render: Render, code: str, message: Sealed | None, recovery: Recovery) -> Draft:
    """The renderer made the video and does not have it any more: it is made again where `on_lost` says so."""
    is_made_again = recovery.on_lost == "resubmit" and render.lost_jobs < recovery.lost_attempts_max
    if render.phase is Phase.COMPLETED and is_made_again:
        return unknown.lost(render, None, recovery)
    return asset_lost(render, code, message)


def overdue(render: Render, now: datetime, *, render_deadline_s: float) -> Draft:
    """The watchdog: a render that has not ended in time is failed, so that every one reaches an end.

    Not while it waits for an approver or is held for its lost job, and not while a submission's outcome is open:
    unknown is never failed.
    """
    waits = render.ended or render.phase in {Phase.HELD, Phase.LOST} or render.submission_open
    since = render.resumed_at or render.created_at
    if waits or now - since < timedelta(seconds=render_deadline_s):
        return NOTHING
    return _one(render, RenderFailed(code="deadline_exceeded", failed_by="bickford"))


def stored(render: Render, assets: tuple[Asset, ...], expires_at: datetime | None = None) -> Draft:
    """The files are ours, until `expires_at` (None: for good)."""
    if render.phase is not Phase.COMPLETED:
        return NOTHING
    return _one(render, RenderStored(assets=assets, expires_at=expires_at))


def download_failed(
    render: Render, fact: RenderAttemptFailed, recovery: Recovery, *, failed_before: int, attempts_max: int
) -> Draft:
    """Something was wrong with the file itself. Each time is recorded, since the last one loses it."""
    if render.phase is not Phase.COMPLETED:
        return NOTHING
    if failed_before + 1 >= attempts_max:
        gone = fact.code == FILE_MISSING
        return file_gone(render, fact.code, None, recovery) if gone else asset_lost(render, fact.code)
    return _one(render, fact)


def too_long_in_storing(render: Render, now: datetime, *, render_deadline_s: float) -> Draft:
    """The watchdog of a completed job whose file never came: it counts as lost, so that the render reaches an end."""
    since = render.progress_at  # by our clock: the renderer's `completed_at` may be anything
    if render.phase is not Phase.COMPLETED or since is None or now - since < timedelta(seconds=render_deadline_s):
        return NOTHING
    return asset_lost(render, "deadline_exceeded")


def asset_lost(render: Render, code: str, message: Sealed | None = None) -> Draft:
    """The renderer made the video, but its file cannot be had any more."""
    if render.phase is not Phase.COMPLETED:
        return NOTHING
    return _one(render, RenderAssetLost(code=code, message=message))


def _one(render: Render, fact: Fact) -> Draft:
    return Draft(((render.stream, fact),), {render.stream: render.version})


def _is_further(render: Render, progress: int, now: datetime) -> bool:
    if render.phase is Phase.QUEUED:
        return True
    if progress <= render.progress:
        return False
    waited = now - render.progress_at if render.progress_at else timedelta.max
    return progress - render.progress >= PROGRESS_STEP or waited >= timedelta(seconds=PROGRESS_INTERVAL_S)

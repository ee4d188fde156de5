"""When to ask a renderer about a job again. Pure.

Often enough that an end is noticed soon, for what the job takes; seldom where the renderer tells of ends by itself; and
never all at once.
"""

import hashlib
from datetime import datetime

from ledger.render import Render

AGE_SHARE = 0.1
"""A job whose end cannot be foreseen is asked about when it is older by this share of its age."""
LEFT_SHARE = 0.5
"""One that tells its progress, when this share of the time it still takes has passed."""
STRETCH_MAX = 6.0
"""Longest pause, in intervals, whatever a job takes."""
JITTER_SHARE = 0.1
"""How much longer or shorter a pause is made, so that jobs that began together are not asked about together."""
WEBHOOKS_TRUSTED_S = 300.0
"""How long after its last webhook a renderer is relied on to tell of ends, in seconds."""


def pause_s(
    render: Render,
    now: datetime,
    *,
    interval_s: float,
    fallback_s: float,
    asked_s: float | None = None,
    webhook_at: datetime | None = None,
) -> float:
    """Seconds until the next question about this render's job.

    Args:
        render: as it is after the last question.
        now: when that was answered.
        interval_s: the pause of a job that has just begun.
        fallback_s: the least pause while its renderer's webhooks arrive.
        asked_s: the pause the renderer asked for; it is never asked sooner.
        webhook_at: when its renderer's last webhook came.
    """
    age_s = (now - render.submission.started_at).total_seconds() if render.submission else 0.0
    if render.progress > 0:  # noqa: SIM108 - two formulas, read one after the other
        pause = age_s * (100 - render.progress) / render.progress * LEFT_SHARE
    else:
        pause = age_s * AGE_SHARE
    pause = min(max(pause, interval_s), interval_s * STRETCH_MAX)
    if webhook_at is not None and (now - webhook_at).total_seconds() < WEBHOOKS_TRUSTED_S:
        pause = max(pause, fallback_s)
    return max(pause * _jitter(render), asked_s or 0.0)


def _jitter(render: Render) -> float:
    """Around 1, another one for each render and each of its facts; the same whenever it is asked for."""
    digest = hashlib.sha256(f"{render.stream} {render.version}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 0xFFFFFFFF
    return 1 - JITTER_SHARE + 2 * JITTER_SHARE * share

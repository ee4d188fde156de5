"""What every worker works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.port import AssetStore
from bickford_sora.decisions.catalogue import Catalogue, Recovery
from bickford_sora.decisions.drafts import Draft
from bickford_sora.recording import Recording
from bickford_sora.references import asset_subject
from bickford_sora.renderers.errors import RendererError
from bickford_sora.renderers.fleet import Wait
from bickford_sora.renderers.port import Renderer
from bickford_sora.tracing import Tracing
from ledger.envelope import Sealed
from ledger.errors import Erased
from ledger.events import RenderAttemptFailed, RendererStopped, Step
from ledger.keys import Keys
from ledger.render import Render

log = structlog.get_logger(__name__)

ACTOR = "worker"
"""Who the facts of workers are by."""
BACKOFF_FIRST_S = 1.0
"""Pause after the first failed call; it doubles with each one that follows."""
RECHECK_S = 0.5
"""When a task that is done is looked at again, in case it is not, in seconds."""
KEPT_RECHECK_S = 600.0
"""When files that a legal hold or a lock keeps are looked at again, in seconds."""
RETRIES_ASSUMED = 2
"""Back-off of calls that are repeated on a schedule anyway, as if this many had failed before."""
MESSAGE_CHARS_MAX = 2_000
"""How much of a renderer's own words is kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds and counts; see `bickford_sora.settings`."""

    submit_timeout_s: float
    reconcile_grace_s: float
    submission_attempts_max: int
    poll_interval_s: float
    poll_fallback_s: float
    retry_after_max_s: float
    render_deadline_s: float
    store_attempts_max: int
    asset_bytes_max: int
    asset_retention_s: float | None = None
    """None: our copies are kept for good."""
    spool_free_bytes_min: int = 0
    """Free space below which nothing is downloaded, in bytes."""
    settlement_factor_max: float = 10.0
    """Times its quote a render may be settled at before its renderer is stopped until an operator has looked."""


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work: a render's stream, and how often it was tried before without success."""

    stream: str
    attempt: int
    begins_until: datetime | None = None
    """Until when it is nobody else's; whoever was paused for longer begins nothing. None: for good."""
    webhook_at: datetime | None = None
    """When the last webhook of its job's renderer came."""


Worker = Callable[[Task], datetime]
"""Works on one task and says when to look at it again (it may be done by then)."""


class Renderers(Protocol):
    """The renderers, as workers need them: `bickford_sora.renderers.fleet.Fleet`."""

    def at(self, renderer: str, credential: str, replica: str) -> Renderer | None:
        """The replica that has a job, None when the renderer is not configured."""

    def choose(self, renderer: str, credential: str, *, replica: str | None = None) -> Renderer | Wait | None:
        """Who is asked for a new job; None when the renderer is not configured."""

    def unreachable(self, renderer: Renderer) -> None:
        """It could not be reached."""

    def reached(self, renderer: Renderer) -> None:
        """It answered."""


class Stopping(Protocol):
    """What renderers refuse: `bickford_sora.stops.Stops`."""

    def is_stopped(self, renderer: str, credential: str, model: str) -> bool:
        """Whether it takes nothing of this model until an operator has looked at it."""

    def stop(self, fact: RendererStopped) -> None:
        """From now on it is not asked for this."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Ledger, storage and renderers, as workers need them. Safe to use from several threads."""

    recording: Recording
    keys: Keys
    assets: AssetStore
    inspector: MediaInspector
    fleet: Renderers
    """A job is only ever asked about where, and as whom, it was made."""
    catalogue: Callable[[], Catalogue]
    """What is offered now."""
    stops: Stopping
    """What renderers refuse until an operator has looked."""
    limits: Limits
    spool: Path
    """Folder for downloads that are not checked yet."""
    tracing: Tracing = field(default_factory=Tracing)

    def now(self) -> datetime:
        """The injected clock's time."""
        return self.recording.clock()

    def after(self, seconds: float) -> datetime:
        """That many seconds from now."""
        return self.now() + timedelta(seconds=seconds)

    def render(self, task: Task) -> Render:
        """The render of a task, as it is now."""
        return self._marked(self.recording.render(task.stream))

    def decide(self, task: Task, decision: Callable[[Render], Draft], *, known: Render | None = None) -> Render:
        """Decides and appends, again when the render moved on meanwhile; `known` is the render as it was just read."""
        return self._marked(self.recording.decide(task.stream, ACTOR, decision, known=known))

    def _marked(self, render: Render) -> Render:
        """What is logged from here on names the request and trace it belongs to, and the task's span leads there."""
        structlog.contextvars.bind_contextvars(**_belonging(render))
        if render.trace is not None:
            self.tracing.link(render.trace)
        return render

    def recovery(self, render: Render) -> Recovery:
        """What is done about this render's unknown outcomes and lost jobs, where it is now."""
        place = render.job or render.submission or render.allowed
        offer = place and self.catalogue().offer(render.intent.model, place.renderer, place.credential)
        return offer.recovery if offer else Recovery()

    def delete_files(self, render: Render) -> int:
        """Deletes everything we hold of a render, which may be gone already. Returns how many files that were."""
        for uri in render.files:
            self.assets.delete(uri)
        if render.erased:  # also what no fact names, such as the copy of a download that died
            self.assets.forget(asset_subject(render.intent.video_id))
        return len(render.files)

    def kept_until(self, render: Render) -> datetime | None:
        """When to look again at files that a legal hold or a lock of the storage keeps; None: nothing does."""
        holds = self.recording.ledger.holds(render.tenant).covering(render)
        locked = [uri for uri in render.files if self.assets.is_locked(uri)]
        if not holds and not locked:
            return None
        log.info("files_kept", holds=holds, locked=locked)
        return self.after(KEPT_RECHECK_S)

    def again(self) -> datetime:
        """When to look at a task that is probably done: as soon as the read model of work has surely seen it."""
        return self.after(RECHECK_S)

    def backoff(self, attempt: int, asked_s: float | None = None) -> datetime:
        """When to try again: exponentially later, at least what the renderer asked for, at most the limit."""
        pause = max(BACKOFF_FIRST_S * 2 ** min(attempt, 16), asked_s or 0.0)
        return self.after(min(pause, self.limits.retry_after_max_s))

    def sealed(self, render: Render, field: str, text: str | None) -> Sealed | None:
        """Free text from a renderer, made ready to be recorded; None when the render's key was destroyed.

        What happened is recorded all the same: an erased render must reach its end, too.
        """
        if text is None:
            return None
        try:
            return self.keys.seal(
                text[:MESSAGE_CHARS_MAX],
                requester=render.intent.requester,
                subject=render.intent.video_id,
                field=field,
            )
        except Erased:
            return None

    def trouble(self, render: Render, step: Step, error: RendererError, retry_at: datetime) -> RenderAttemptFailed:
        """A failed call as a fact."""
        return RenderAttemptFailed(
            step=step,
            code=error.code,
            http_status=error.http_status,
            message=self.sealed(render, "render.attempt_failed.message", error.message),
            retry_at=retry_at,
        )


def _belonging(render: Render) -> dict[str, str]:
    known = {"trace_id": render.trace} if render.trace else {}
    return {**known, "request_id": f"req_{render.correlation.hex}"} if render.correlation else known

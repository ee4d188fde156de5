"""Removing what a deleted or erased video left behind: the renderer's copy and ours. The facts stay."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bickford_sora.decisions import deletion, news
from bickford_sora.renderers.errors import JobGone, ReadFailed
from bickford_sora.renderers.port import Renderer
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S
from bickford_sora.workers.workshop import Task, Workshop
from ledger.events import RenderPurged
from ledger.render import Job, Render

JOB_RUNNING = "renderer_job_running"
"""Code of the trouble that a job can only be deleted once it has ended."""
ENDS_BY_ITSELF = frozenset({JOB_RUNNING, "renderer_conflict"})
"""Codes of what passes when the job ends, and is given up when that takes too long. A renderer that is away is not."""

Copy = Literal["deleted", "gone", "unsupported", "none"]


@dataclass(frozen=True, slots=True)
class Purge:
    """Purges deleted and erased renders."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Deletes our files and the renderer's copy (which stops an unfinished job), and records it.

        Ours first: they must go also while the renderer does not answer.
        """
        render = self.shop.render(task)
        if not render.goes or render.purged or render.submission_open:
            return self.shop.again()
        kept_until = self.shop.kept_until(render)
        if kept_until is not None:
            return kept_until
        # A crash from here on: deleting our files twice is no error, and the renderer answers "gone" next time.
        deleted = self.shop.delete_files(render)
        renderer = self._renderer(render.job)
        if render.job is not None and renderer is None and not self._is_late(render):
            return self.shop.after(UNCONFIGURED_WAIT_S)  # it may be configured again: not given up at once
        try:
            copy = self._renderer_copy(render, render.job, renderer)
        except ReadFailed as error:
            if error.code not in ENDS_BY_ITSELF or not self._is_late(render):
                return self._again(task, render, error)
            copy = "unsupported"
        purged = RenderPurged(renderer_copy=copy, assets_deleted=deleted)
        self.shop.decide(task, lambda r: deletion.purged(r, purged))
        return self.shop.again()

    def _renderer_copy(self, render: Render, job: Job | None, renderer: Renderer | None) -> Copy:
        """What became of the renderer's copy. Raises ReadFailed while it cannot be deleted."""
        if job is None:
            return "none"
        if renderer is None:
            return "unsupported"
        can = renderer.capabilities
        if not (can.cancels or can.deletes):
            return "unsupported"
        if not can.cancels and _is_running(render, job, renderer):
            # Deleted now it would run on unseen and leave its file behind: it is let finish, and deleted then.
            raise ReadFailed(JOB_RUNNING)
        return renderer.delete(job.job_id)

    def _again(self, task: Task, render: Render, error: ReadFailed) -> datetime:
        retry_at = self.shop.backoff(task.attempt, error.retry_after_s)
        fact = self.shop.trouble(render, "purge", error, retry_at)
        self.shop.decide(task, lambda r: news.trouble(r, fact))
        return retry_at

    def _is_late(self, render: Render) -> bool:
        """Whether a job would have ended by now, counted from the end of the video or a job that turned up later."""
        known = [at for at in (render.deleted_at, render.erased_at, render.progress_at) if at is not None]
        return self.shop.now() - max(known) >= timedelta(seconds=self.shop.limits.render_deadline_s)

    def _renderer(self, job: Job | None) -> Renderer | None:
        return None if job is None else self.shop.fleet.at(job.renderer, job.credential, job.replica)


def _is_running(render: Render, job: Job, renderer: Renderer) -> bool:
    if render.completed_at is not None:
        return False
    try:
        return renderer.status(job.job_id).status in {"queued", "in_progress"}
    except JobGone:
        return False

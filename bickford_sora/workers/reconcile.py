"""Finding out what became of a submission that was never answered. Unknown is not failed, and nothing is guessed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bickford_sora.decisions import news, submission
from bickford_sora.decisions.submission import CLOCK_SKEW_S, Listed
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.port import JobNews, Renderer
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S, fingerprint_of, settle
from bickford_sora.workers.workshop import RETRIES_ASSUMED, Task, Workshop
from ledger import streams
from ledger.events import RenderAttemptFailed, RenderSubmissionUnknown
from ledger.lifecycle import Phase, Render, Submission

HELD_S = 300.0
"""How often a held submission is looked for again, in seconds."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Looks for the job of a submission whose outcome is open."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """After deadline and grace: adopt the one job that matches, or submit again when the list proves absence."""
        render = self.shop.render(task)
        opened = render.submission
        if opened is None or not render.submission_open:
            return self.shop.again()
        now = self.shop.now()
        if now < opened.deadline_at:
            return opened.deadline_at
        if render.phase is Phase.SUBMITTING:
            # Whoever submitted died, or its answer never came: from now on that is on record.
            fact = RenderSubmissionUnknown(attempt=opened.attempt, code="no_answer_recorded")
            render = self.shop.decide(task, lambda r: submission.unknown(r, fact))
        settled_at = opened.deadline_at + timedelta(seconds=self.shop.limits.reconcile_grace_s)
        if now < settled_at:
            return settled_at
        renderer = self.shop.renderers.get((opened.renderer, opened.credential))
        if renderer is None:
            return self.shop.after(UNCONFIGURED_WAIT_S)
        return self._search(task, render, opened, renderer)

    def _search(self, task: Task, render: Render, opened: Submission, renderer: Renderer) -> datetime:
        try:
            listed = [*renderer.jobs()]
        except ReadFailed as error:
            retry_at = self.shop.backoff(RETRIES_ASSUMED, error.retry_after_s)
            fact = self.shop.trouble(render, "reconcile", error, retry_at)
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            return retry_at
        found, could_tell = submission.matches(opened, [self._listed(job, opened) for job in listed])
        if len(found) == 1:
            job = found[0].job
            log.info("submission_adopted", attempt=opened.attempt)
            settle(
                self.shop, task, lambda r, t: submission.queued(r, t, job, attempt=opened.attempt, found_by_list=True)
            )
            return self.shop.again()
        if not found and could_tell and renderer.absence_proves:
            settle(
                self.shop, task, lambda r, t: submission.absent(r, t, attempt=opened.attempt, jobs_searched=len(listed))
            )
            return self.shop.again()
        return self._hold(task, "several_jobs_match" if found else "absence_not_proven")

    def _listed(self, job: JobNews, opened: Submission) -> Listed:
        """A listed job, compared with what was sent. Old ones are not looked up: they can not be this one."""
        told = job.prompt is not None and None not in (job.model, job.seconds, job.size)
        since = opened.started_at - timedelta(seconds=CLOCK_SKEW_S)
        recent = job.created_at is None or job.created_at >= since
        claim = streams.job(opened.renderer, opened.credential, job.job_id)
        return Listed(
            job=submission.Job(job.job_id, job.status, job.progress),
            fingerprint=fingerprint_of(self.shop, job.model or "", job.prompt or "", job.seconds or "", job.size or "")
            if told
            else None,
            created_at=job.created_at,
            claimed=recent and bool(self.shop.recording.ledger.history(claim)),
        )

    def _hold(self, task: Task, code: str) -> datetime:
        """Nothing may be sent again by guess. An operator, or a later look, decides."""
        retry_at = self.shop.after(HELD_S)
        log.warning("submission_held", code=code)
        fact = RenderAttemptFailed(step="reconcile", code=code, retry_at=retry_at)
        self.shop.decide(task, lambda r: news.trouble(r, fact))
        return retry_at

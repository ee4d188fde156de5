"""Finding out what became of a submission that was never answered. Unknown is not failed, and nothing is guessed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bickford_sora.decisions import news, submission
from bickford_sora.decisions.submission import Job, Listed, Search
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.port import JobNews, Renderer
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S, fingerprint_of, settle
from bickford_sora.workers.workshop import Task, Workshop
from ledger import streams
from ledger.events import RenderAttemptFailed, RenderSubmissionUnknown
from ledger.lifecycle import Phase, Render, Submission

DOUBLINGS_MAX = 6
"""How often the pause between two searches doubles: a long list is no small thing to ask for."""
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
        renderer = self.shop.fleet.at(opened.renderer, opened.credential, opened.replica)
        if renderer is None:
            return self.shop.after(UNCONFIGURED_WAIT_S)
        return self._search(task, render, opened, renderer)

    def _search(self, task: Task, render: Render, opened: Submission, renderer: Renderer) -> datetime:
        search = Search(opened)
        intent = render.intent
        comparable = renderer.capabilities.recognises(intent.operation, {**intent.fields, **intent.text_fields})
        try:
            for job in renderer.jobs():
                search.add(self._listed(job, search, comparable=comparable))
        except ReadFailed as error:
            if error.code == "renderer_list_unsupported":
                return self._hold(task, error.code)
            retry_at = self.shop.backoff(min(task.attempt, DOUBLINGS_MAX), error.retry_after_s)
            fact = self.shop.trouble(render, "reconcile", error, retry_at)
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            return retry_at
        if len(search.found) == 1:
            self._adopt(task, opened, search.found[0].job)
            return self.shop.again()
        if not search.found and search.could_tell and renderer.absence_proves:
            self._record_absence(task, opened, search.jobs_searched)
            return self.shop.again()
        return self._hold(task, "several_jobs_match" if search.found else "absence_not_proven")

    def _adopt(self, task: Task, opened: Submission, job: Job) -> None:
        log.info("submission_adopted", attempt=opened.attempt)
        settle(self.shop, task, lambda r, t: submission.queued(r, t, job, attempt=opened.attempt, found_by_list=True))

    def _record_absence(self, task: Task, opened: Submission, jobs_searched: int) -> None:
        limit = self.shop.limits.submission_attempts_max
        settle(
            self.shop,
            task,
            lambda r, t: submission.absent(
                r, t, attempt=opened.attempt, jobs_searched=jobs_searched, attempts_max=limit
            ),
        )

    def _listed(self, job: JobNews, search: Search, *, comparable: bool) -> Listed:
        """A listed job, compared with what was sent. The ledger is only asked about one that can be this one."""
        opened = search.submission
        fingerprint = self._fingerprint(job) if comparable else None
        alike = fingerprint in {None, opened.fingerprint} and search.is_worth_comparing(job.created_at)
        claim = streams.job(opened.renderer, opened.credential, job.job_id)
        return Listed(
            job=Job(job.job_id, job.status, job.progress),
            fingerprint=fingerprint,
            created_at=job.created_at,
            claimed=alike and bool(self.shop.recording.ledger.history(claim)),
        )

    def _fingerprint(self, job: JobNews) -> str | None:
        """Of what the list shows of a job; None when that is not enough to compare it."""
        if job.model is None or job.prompt is None or job.seconds is None or job.size is None:
            return None
        return fingerprint_of(self.shop, job.model, job.prompt, job.seconds, job.size)

    def _hold(self, task: Task, code: str) -> datetime:
        """Nothing may be sent again by guess. An operator, or a later look, decides."""
        retry_at = self.shop.after(HELD_S)
        log.warning("submission_held", code=code)
        fact = RenderAttemptFailed(step="reconcile", code=code, retry_at=retry_at)
        self.shop.decide(task, lambda r: news.trouble(r, fact))
        return retry_at

"""Finding out what became of a submission that was never answered. Unknown is not failed, and nothing is guessed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bickford_sora.assets.errors import AssetError
from bickford_sora.decisions import news, submission, unknown
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.submission import Job, Listed, Search, Turn
from bickford_sora.renderers.errors import ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.port import JobNews, Renderer
from bickford_sora.workers import orders
from bickford_sora.workers.follow import Follow
from bickford_sora.workers.submit import ANSWER_TIMEOUTS, UNCONFIGURED_WAIT_S, Submit, fingerprint_of, settle
from bickford_sora.workers.workshop import Task, Workshop
from ledger import streams
from ledger.errors import Erased
from ledger.events import RenderAttemptFailed, RenderSubmissionUnknown
from ledger.render import Phase, Render, Submission

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
        """After deadline and grace: adopt the one job that matches, or submit again when the list proves absence.

        A renderer that keeps idempotency keys is asked again under the same key instead. A lost job is looked for, too.
        """
        render = self.shop.render(task)
        if render.phase is Phase.LOST:
            return self._look_for_lost(task, render)
        opened = render.submission
        if opened is None or not render.submission_open:
            return self.shop.again()
        if self.shop.now() < opened.deadline_at:
            return opened.deadline_at
        if render.phase is Phase.SUBMITTING:
            # Whoever submitted died, or its answer never came: from now on that is on record.
            fact = RenderSubmissionUnknown(attempt=opened.attempt, code="no_answer_recorded")
            render = self.shop.decide(task, lambda r: submission.unknown(r, fact))
        if render.submission != opened or not render.submission_open:
            return self.shop.again()  # its answer came just now
        return self._find_out(task, render, opened)

    def _find_out(self, task: Task, render: Render, opened: Submission) -> datetime:
        renderer = self.shop.fleet.at(opened.renderer, opened.credential, opened.replica)
        if renderer is None:
            return self.shop.after(UNCONFIGURED_WAIT_S)
        now = self.shop.now()
        repeated_by = self._repeated_by(render, opened, renderer)
        if now < repeated_by:
            return self._repeat(task, render, renderer, sent_by=repeated_by)
        settled_at = self._settled_at(render, opened, renderer)
        return self._search(task, render, opened, renderer) if now >= settled_at else settled_at

    def _repeated_by(self, render: Render, opened: Submission, renderer: Renderer) -> datetime:
        """Until when the same order may be sent again under the same key; its start where that may never be.

        Not for a render that ended: one that was never taken would be made now.
        """
        if render.ended or not renderer.capabilities.keeps_idempotency_keys:
            return opened.started_at
        answer_s = self.shop.limits.submit_timeout_s * ANSWER_TIMEOUTS
        return opened.started_at + timedelta(seconds=self.shop.recovery(render).idempotency_keys_s - answer_s)

    def _settled_at(self, render: Render, opened: Submission, renderer: Renderer) -> datetime:
        """From when on the renderer's list must show the job: no call of ours for it is waiting any more."""
        over_at = opened.deadline_at
        if renderer.capabilities.keeps_idempotency_keys:
            # also a render that ended since: it may have been asked for again just before
            kept = timedelta(seconds=self.shop.recovery(render).idempotency_keys_s)
            over_at = max(over_at, opened.started_at + kept)
        return over_at + timedelta(seconds=self.shop.limits.reconcile_grace_s)

    def _repeat(self, task: Task, render: Render, renderer: Renderer, *, sent_by: datetime) -> datetime:
        """The same order under the same key: the renderer answers with the job it has, or takes it now, once."""
        try:
            order = orders.order(self.shop, render, renderer, attempt=render.attempts, sent_by=sent_by)
            heard = renderer.submit(order)
        except (Erased, orders.SourceGone, AssetError) as error:
            log.warning("submission_not_repeated", cause=type(error).__name__)
            return self.shop.after(HELD_S)
        except (Refused, UnknownOutcome) as error:
            # A refusal says nothing of the first call. Nothing is guessed: the same again, later.
            retry_at = self.shop.backoff(min(task.attempt, DOUBLINGS_MAX), error.retry_after_s)
            fact = self.shop.trouble(render, "reconcile", error, retry_at)
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            return retry_at
        # A crash here: the same is asked again, and answered with the same job.
        log.info("submission_repeated", attempt=render.attempts)
        Submit(self.shop).record_job(task, render, heard, renderer)
        return self.shop.again()

    def _look_for_lost(self, task: Task, render: Render) -> datetime:
        """A job that is held because it was lost: the rule may have changed, or the renderer found it again."""
        recovery = self.shop.recovery(render)
        render = self.shop.decide(task, lambda r: unknown.lost_by_rule(r, recovery), known=render)
        if render.phase is Phase.LOST:
            Follow(self.shop)(task)
        return self.shop.after(HELD_S)

    def _search(self, task: Task, render: Render, opened: Submission, renderer: Renderer) -> datetime:
        search = Search(opened)
        intent = render.intent
        comparable = renderer.capabilities.recognises(intent.operation, {**intent.fields, **intent.text_fields})
        try:
            for job in renderer.jobs():
                search.add(self._listed(job, search, comparable=comparable))
        except ReadFailed as error:
            if error.code == "renderer_list_unsupported":
                return self._hold(task, render, renderer, error.code)
            if self._decided_by_rule(task, render, renderer):
                return self.shop.again()
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
        return self._hold(task, render, renderer, "several_jobs_match" if search.found else "absence_not_proven")

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

    def _hold(self, task: Task, render: Render, renderer: Renderer, code: str) -> datetime:
        """Nothing may be sent again by guess. The configured rule, an operator, or a later look decides."""
        if self._decided_by_rule(task, render, renderer):
            return self.shop.again()
        retry_at = self.shop.after(HELD_S)
        log.warning("submission_held", code=code)
        fact = RenderAttemptFailed(step="reconcile", code=code, retry_at=retry_at)
        self.shop.decide(task, lambda r: news.trouble(r, fact))
        return retry_at

    def _decided_by_rule(self, task: Task, render: Render, renderer: Renderer) -> bool:
        """Whether the configured rule, whose time has come, decided it."""
        recovery, limit = self.shop.recovery(render), self.shop.limits.submission_attempts_max

        def decision(render: Render, turn: Turn) -> Draft:
            if render.submission is None:
                return NOTHING
            settled_at = self._settled_at(render, render.submission, renderer)
            now = self.shop.now()
            return unknown.unknown_by_rule(render, turn, recovery, now, settled_at=settled_at, attempts_max=limit)

        then = settle(self.shop, task, decision)
        return then is None or not then.submission_open

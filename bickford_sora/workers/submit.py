"""Handing a render to its renderer: at most one paid job, whatever dies between two lines."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog

from bickford_sora.assets.errors import AssetError, AssetNotFound
from bickford_sora.decisions import news, rerouting, submission
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.submission import Attempt, Offered, Turn
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, after
from bickford_sora.renderers.errors import ReadFailed, Refused, RendererError, UnknownOutcome
from bickford_sora.renderers.fleet import Wait
from bickford_sora.renderers.port import JobNews, Order, Renderer
from bickford_sora.workers import orders
from bickford_sora.workers.workshop import ACTOR, Task, Workshop
from ledger import streams
from ledger.errors import Conflict, Erased, Unavailable
from ledger.events import (
    JobClaimed,
    RenderAllowed,
    RendererStopped,
    RenderFailed,
    RenderRerouted,
    RenderSubmissionRefused,
    RenderSubmissionUnknown,
)
from ledger.render import Job, Phase, Render, Submission

TURN_WAIT_S = 1.0
"""Pause while an equal submission is open, in seconds."""
ANSWER_TIMEOUTS = 2.0
"""How long an answer is waited for at most, in submit timeouts: one for it to begin and one to be whole."""
CALL_TIMEOUTS = ANSWER_TIMEOUTS + 0.5
"""How long a call takes at most in submit timeouts, when its request is sent at once: getting a connection takes at
most half of one."""
DEADLINE_TIMEOUTS = ANSWER_TIMEOUTS + 1.5
"""A submission's deadline in submit timeouts. What is not sent when it is an answer's time away is not sent at all, so
that no call of ours is still waiting after it."""
OUTCOME_WAIT_S = 3600.0
"""How long an outcome is kept in memory while the database does not take it, in seconds: as long as its lease would be
renewed. One try may take minutes, where the database hangs."""
OUTCOME_PAUSE_S = 0.5
"""Pause between two tries to record an outcome, in seconds."""
STOPPING: Mapping[str, bool] = MappingProxyType({"renderer_unauthorized": False, "renderer_not_enabled": True})
"""Refusals that stop a renderer, and whether only for the model that was asked for."""
UNCONFIGURED_WAIT_S = 30.0
"""Pause while a render's renderer is not configured, in seconds."""

log = structlog.get_logger(__name__)


def fingerprint_of(shop: Workshop, model: str, prompt: str, seconds: str, size: str) -> str:
    """Keyed hash of what a renderer's list shows of a job."""
    return shop.keys.digest("fingerprint", json.dumps([model, prompt, seconds, size]).encode())


@dataclass(frozen=True, slots=True)
class _Begun:
    """A submission whose start is on record."""

    render: Render
    turn: Turn
    order: Order


@dataclass(frozen=True, slots=True)
class Submit:
    """Submits renders that are allowed."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Starts a submission when it is this render's turn, calls the renderer once, records the outcome."""
        render = self.shop.decide(task, self._overdue)
        now = self.shop.now()
        if render.phase is not Phase.ALLOWED or render.allowed is None:
            return self.shop.again()
        if render.retry_at is not None and render.retry_at > now:
            return render.retry_at
        renderer = self._chosen(task, render, render.allowed)
        if isinstance(renderer, datetime):
            return renderer
        begun = self._begun(task, render, renderer)
        if isinstance(begun, datetime):
            return begun
        return self._send(task, renderer, begun)

    def _chosen(self, task: Task, render: Render, allowed: RenderAllowed) -> Renderer | datetime:
        """Who is asked, or when to look again: nobody can be, or the render goes on to the next of its route."""
        if self.shop.stops.is_stopped(allowed.renderer, allowed.credential, render.intent.model):
            return self._next(task, render, "renderer_stopped", UNCONFIGURED_WAIT_S)
        chosen = self.shop.fleet.choose(allowed.renderer, allowed.credential, replica=allowed.replica)
        if chosen is None:
            return self._next(task, render, "renderer_not_configured", UNCONFIGURED_WAIT_S)
        if isinstance(chosen, Wait):
            return self._next(task, render, "renderer_unreachable", chosen.seconds)
        return chosen

    def _next(self, task: Task, render: Render, code: str, wait_s: float) -> datetime:
        """Sends the render to the next renderer of its route; where there is none, it waits."""
        offered = next_offer(self.shop, render)
        if offered is None:
            log.warning("submission_waits", renderer=render.allowed and render.allowed.renderer, reason=code)
            return self.shop.after(wait_s)
        self.shop.decide(task, lambda r: submission.rerouted(r, offered, code))
        return self.shop.now()

    def _overdue(self, render: Render) -> Draft:
        return news.overdue(render, self.shop.now(), render_deadline_s=self.shop.limits.render_deadline_s)

    def _begun(self, task: Task, render: Render, renderer: Renderer) -> "_Begun | datetime":
        """The submission that is on record now, or when to look again: nothing was begun."""
        timeout_s = self.shop.limits.submit_timeout_s
        deadline_at = self.shop.after(timeout_s * DEADLINE_TIMEOUTS)
        sent_by = deadline_at - timedelta(seconds=timeout_s * ANSWER_TIMEOUTS)
        order = self._order(task, render, renderer, sent_by=sent_by)
        if order is None:
            return self.shop.again()
        attempt = Attempt(
            renderer=renderer.name,
            credential=renderer.credential,
            replica=renderer.replica,
            fingerprint=fingerprint_of(self.shop, order.model, order.prompt, order.seconds, order.size),
            deadline_at=deadline_at,
        )
        among_equals = turn(self.shop, attempt)
        draft = submission.start(render, among_equals, attempt)
        if not draft:
            return self.shop.after(TURN_WAIT_S)
        if task.begins_until is not None and self.shop.now() > task.begins_until:
            return self.shop.again()  # this process was paused: its place at the renderer is somebody else's by now
        try:
            events = self.shop.recording.append(draft, Origin.of(render, ACTOR), on=render)
        except Conflict:
            return self.shop.again()
        return _Begun(after(render, events), among_equals.after(events), order)

    def _send(self, task: Task, renderer: Renderer, begun: "_Begun") -> datetime:
        # The ledger now says that the renderer may have been asked. A crash from here until the outcome is recorded
        # leaves it unknown: after the deadline, `reconcile` looks for the job before anything is sent again.
        outcome = self._ask(renderer, begun.order)
        # A crash here: the job may exist and nobody has written it down. The same.
        self._record_patiently(task, begun, outcome, renderer)
        return self.shop.again()

    def _ask(self, renderer: Renderer, order: Order) -> JobNews | RendererError:
        try:
            return renderer.submit(order)
        except (Refused, UnknownOutcome) as error:
            return error
        except AssetError as error:
            # The port: what a reference's `open` raises comes before anything is sent.
            log.warning("reference_unreadable", code=error.code)
            return Refused("reference_unavailable", terminal=isinstance(error, AssetNotFound))

    def _record_patiently(
        self, task: Task, begun: "_Begun", outcome: JobNews | RendererError, renderer: Renderer
    ) -> None:
        """Records an outcome also when the database is away for a while: nobody else knows the job's id."""
        gives_up_at = time.monotonic() + OUTCOME_WAIT_S
        told = False
        while True:
            try:
                return self._record(task, begun, outcome, renderer)
            except Unavailable:
                if time.monotonic() >= gives_up_at:
                    raise
                if not told:
                    log.warning("outcome_waits_for_database")
                told = True
                time.sleep(OUTCOME_PAUSE_S)

    def _record(self, task: Task, begun: "_Begun", outcome: JobNews | RendererError, renderer: Renderer) -> None:
        if isinstance(outcome, JobNews):
            self.shop.fleet.reached(renderer)
            self.record_job(task, begun.render, outcome, renderer, among_equals=begun.turn)
        elif isinstance(outcome, Refused):
            self._record_refusal(task, begun.render.attempts, outcome, renderer)
        else:
            log.warning("submission_unknown", code=outcome.code, http_status=outcome.http_status)
            attempt, code, message = begun.render.attempts, outcome.code, outcome.message
            self.shop.decide(task, lambda r: submission.unknown(r, self._unknown(r, attempt, code, message)))

    def _record_refusal(self, task: Task, attempt: int, refusal: Refused, renderer: Renderer) -> None:
        """Nothing was taken. A refused credential or model stops the renderer, and the next of the route is asked.

        A model that was asked for by a name that is no longer configured is asked for by the one that is.
        """
        render, limit = self.shop.render(task), self.shop.limits.submission_attempts_max
        offered: Offered | None = None
        if refusal.code == "renderer_unreachable":
            self.shop.fleet.unreachable(renderer)
        elif refusal.code in STOPPING:
            by_model = STOPPING[refusal.code]
            offered = renamed_offer(self.shop, render) if by_model else None
            if offered is None:
                self._stop(renderer, refusal, model=render.intent.model if by_model else None)
                offered = next_offer(self.shop, render)
        settle(
            self.shop,
            task,
            lambda r, t: submission.refused(
                r, t, self._refused(r, attempt, refusal), attempts_max=limit, offered=offered
            ),
        )

    def _stop(self, renderer: Renderer, refusal: Refused, *, model: str | None) -> None:
        """Asks the renderer for nothing more until an operator has looked; of one model, where one is given."""
        self.shop.stops.stop(
            RendererStopped(
                renderer=renderer.name,
                credential=renderer.credential,
                model=model,
                code=refusal.code,
                http_status=refusal.http_status,
            )
        )
        log.warning("renderer_stopped", renderer=renderer.name, code=refusal.code)

    def record_job(
        self, task: Task, begun: Render, news: JobNews, renderer: Renderer, *, among_equals: Turn | None = None
    ) -> None:
        """Records the job of the attempt that `begun` is at, or that it is one too many.

        `among_equals` is the turn as it was last seen; else it is read.
        """
        attempt, job = begun.attempts, submission.Job(news.job_id, news.status, news.progress)
        render = settle(
            self.shop,
            task,
            lambda r, t: submission.queued(r, t, job, attempt=attempt, found_by_list=False),
            known=(begun, among_equals),
        )
        if render is None:
            # The renderer named a job that another render holds: whose it is cannot be told from here.
            self.shop.decide(
                task, lambda r: submission.unknown(r, self._unknown(r, attempt, "job_already_claimed", None))
            )
            return
        assert begun.submission is not None, begun.stream  # noqa: S101 - its answer is being recorded
        made = begun.submission
        if render.job != Job(made.renderer, made.credential, made.replica, news.job_id):
            self._cancel_duplicate(task, made, news.job_id, renderer)

    def _cancel_duplicate(self, task: Task, made: Submission, job_id: str, renderer: Renderer) -> None:
        """This worker was paused so long that the render went on without it: its job is one too many.

        Claimed before it is cancelled: an equal render may have adopted it meanwhile, and then it must live.
        """
        if not self._claim_duplicate(task, made, job_id):
            log.warning("duplicate_job_adopted_elsewhere")
            return
        # A crash here: the second job is on record, and goes on.
        try:
            deletion = renderer.delete(job_id)
            # one that is forgotten, but not stopped, is not cancelled
            cancelled = deletion == "gone" or (deletion == "deleted" and renderer.capabilities.cancels)
        except ReadFailed:
            cancelled = False
        log.warning("duplicate_job", cancelled=cancelled)
        if cancelled:
            self.shop.decide(task, lambda r: submission.duplicate_cancelled(r, job_id))

    def _claim_duplicate(self, task: Task, made: Submission, job_id: str) -> bool:
        """Puts a second job on record. False when it is another render's by now."""
        for _ in range(DECIDE_ATTEMPTS_MAX):
            render = self.shop.render(task)
            holder = self._holder(made, job_id)
            if holder is not None:
                return holder == render.intent.video_id
            try:
                draft = submission.duplicate(render, made, job_id)
                self.shop.recording.append(draft, Origin.of(render, ACTOR), on=render)
            except Conflict:
                continue
            return True
        return False

    def _holder(self, made: Submission, job_id: str) -> str | None:
        """Id of the render that claimed a job where this submission went."""
        stream = streams.job(made.renderer, made.credential, job_id)
        claims = self.shop.recording.ledger.history(stream, until=1)
        return next((each.fact.video_id for each in claims if isinstance(each.fact, JobClaimed)), None)

    def _refused(self, render: Render, attempt: int, error: Refused) -> RenderSubmissionRefused:
        return RenderSubmissionRefused(
            attempt=attempt,
            code=error.code,
            http_status=error.http_status,
            message=self.shop.sealed(render, "render.submission_refused.message", error.message),
            retry_at=None if error.terminal else self.shop.backoff(attempt - 1, error.retry_after_s),
        )

    def _unknown(self, render: Render, attempt: int, code: str, message: str | None) -> RenderSubmissionUnknown:
        sealed = self.shop.sealed(render, "render.submission_unknown.message", message)
        return RenderSubmissionUnknown(attempt=attempt, code=code, message=sealed)

    def _order(self, task: Task, render: Render, renderer: Renderer, *, sent_by: datetime) -> Order | None:
        """What to ask for; None when it can not be asked for any more, which is recorded."""
        try:
            return orders.order(self.shop, render, renderer, attempt=render.attempts + 1, sent_by=sent_by)
        except Erased:
            self._fail(task, "prompt_erased")
        except orders.SourceGone:
            self._fail(task, "source_gone")
        return None

    def _fail(self, task: Task, code: str) -> None:
        def decision(render: Render) -> Draft:
            if render.phase is not Phase.ALLOWED:
                return NOTHING
            fact = RenderFailed(code=code, failed_by="bickford")
            return Draft(((render.stream, fact),), {render.stream: render.version})

        self.shop.decide(task, decision)


def next_offer(shop: Workshop, render: Render) -> Offered | None:
    """Who of the render's route has not been asked yet, takes all of it, and is not dearer than what was allowed."""
    history = shop.recording.ledger.history(render.stream)
    tried = {
        (each.fact.renderer, each.fact.credential)
        for each in history
        if isinstance(each.fact, RenderAllowed | RenderRerouted)
    }
    return rerouting.next_offer(
        render, len(shop.keys.open(render.intent.prompt)), shop.catalogue(), tried, shop.stops.is_stopped, at=shop.now()
    )


def renamed_offer(shop: Workshop, render: Render) -> Offered | None:
    """The renderer that was asked, by the name that the model has there now; None where it is the one on record."""
    prompt_chars = len(shop.keys.open(render.intent.prompt))
    return rerouting.renamed_offer(render, prompt_chars, shop.catalogue(), at=shop.now())


def turn(shop: Workshop, attempt: Attempt) -> Turn:
    """Whose turn it is among submissions equal to `attempt`."""
    stream = streams.submission(attempt.renderer, attempt.credential, attempt.fingerprint)
    known: Turn | None = shop.recording.ledger.fold(stream, Turn.fold)
    return known or Turn(stream)


def settle(
    shop: Workshop,
    task: Task,
    decision: Callable[[Render, Turn], Draft],
    *,
    known: tuple[Render, Turn | None] | None = None,
) -> Render | None:
    """Records the outcome of an open submission; decides again when the render or the turn moved on.

    `known` are both as they were last seen; else they are read. Returns the render as it then is, None when the outcome
    could not be recorded because another render holds the job.
    """
    for _ in range(DECIDE_ATTEMPTS_MAX):
        render, among_equals = known or (shop.render(task), None)
        known = None
        opened = render.submission
        if opened is None:
            return render
        attempt = Attempt(opened.renderer, opened.credential, opened.replica, opened.fingerprint, opened.deadline_at)
        draft = decision(render, among_equals or turn(shop, attempt))
        if not draft:
            return render
        try:
            return after(render, shop.recording.append(draft, Origin.of(render, ACTOR), on=render))
        except Conflict:
            continue
    return None

"""Deciding a submission: when it may start, and what each outcome means.

    allowed ─ started ─┬─ queued      the renderer has the job, and it is claimed
                       ├─ refused     it certainly has not: try again, or fail
                       └─ unknown ─┬─ queued   found in the renderer's list
                                   ├─ absent   the list proves it never came: try again
                                   └─ (held)   the list cannot tell: a rule or an operator decides (`unknown`)

Equal submissions to one credential take turns (`submission` stream), so that at most one unclaimed job can match.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bickford_sora.decisions.drafts import NOTHING, Draft
from ledger import streams
from ledger.envelope import Event, Fact
from ledger.events import (
    JobClaimed,
    Quote,
    RenderDuplicateFound,
    RenderFailed,
    RenderQueued,
    RenderRerouted,
    RenderSubmissionAbsent,
    RenderSubmissionRefused,
    RenderSubmissionStarted,
    RenderSubmissionUnknown,
    SubmissionClosed,
    SubmissionOpened,
)
from ledger.lifecycle import may_follow
from ledger.render import Phase, Render, Submission

CLOCK_SKEW_S = 120
"""How far a renderer's clock may be from ours, in seconds, when its `created_at` is compared."""
CLOCK_DOUBT_S = 24 * 3600
"""An equal job that nobody claimed and that is older than the skew allows, but not by more than this many seconds,
makes absence doubtful."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose submission is open among equal ones."""

    id: str
    version: int = 0
    open_by: str | None = None

    @classmethod
    def fold(cls, state: "Turn | None", events: Iterable[Event]) -> "Turn | None":
        """The turn after `events`."""
        for event in events:
            opened = event.fact.video_id if isinstance(event.fact, SubmissionOpened) else None
            state = cls(event.stream, event.version, opened)
        return state

    def after(self, events: Iterable[Event]) -> "Turn":
        """The turn behind those of these events that are its own."""
        return self.fold(self, [event for event in events if event.stream == self.id]) or self


@dataclass(frozen=True, slots=True)
class Job:
    """A renderer's job as far as claiming it needs."""

    job_id: str
    status: str
    progress: int


@dataclass(frozen=True, slots=True)
class Offered:
    """Another renderer of the route, and what it is expected to cost there."""

    renderer: str
    credential: str
    served_model: str | None
    quote: Quote | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where a submission goes and what its job will look like in the renderer's list."""

    renderer: str
    credential: str
    replica: str
    fingerprint: str
    deadline_at: datetime


def start(render: Render, turn: Turn, attempt: Attempt) -> Draft:
    """Opens a submission; nothing while an equal one of another render is open, or this render may not submit."""
    taken = turn.open_by is not None and turn.open_by != render.intent.video_id
    if taken or render.phase is not Phase.ALLOWED:
        return NOTHING
    number = render.attempts + 1
    started = RenderSubmissionStarted(
        attempt=number,
        renderer=attempt.renderer,
        credential=attempt.credential,
        replica=attempt.replica,
        fingerprint=attempt.fingerprint,
        deadline_at=attempt.deadline_at,
    )
    facts: list[tuple[str, Fact]] = [(render.stream, started)]
    facts.append((turn.id, SubmissionOpened(video_id=render.intent.video_id, attempt=number)))
    return Draft(tuple(facts), {render.stream: render.version, turn.id: turn.version})


def queued(render: Render, turn: Turn, job: Job, *, attempt: int, found_by_list: bool) -> Draft:
    """The renderer has the job of this attempt: claim it, late or not.

    Nothing when the render has a job already, or another attempt was started meanwhile: see `duplicate`.
    """
    submission = render.submission
    if submission is None or submission.attempt != attempt or not may_follow(render, RenderQueued):
        return NOTHING
    claim_stream = streams.job(submission.renderer, submission.credential, job.job_id)
    fact = RenderQueued(
        attempt=submission.attempt,
        renderer=submission.renderer,
        credential=submission.credential,
        replica=submission.replica,
        job_id=job.job_id,
        found_by="reconciliation" if found_by_list else "answer",
        status=job.status,
        progress=job.progress,
    )
    claim = JobClaimed(
        renderer=submission.renderer,
        credential=submission.credential,
        job_id=job.job_id,
        video_id=render.intent.video_id,
    )
    draft = closing(render, turn, submission, [(render.stream, fact), (claim_stream, claim)])
    # A head of 0: if another render has this job, the append is refused whole.
    return Draft(draft.facts, {**draft.heads, claim_stream: 0})


def duplicate(render: Render, submission: Submission, job_id: str) -> Draft:
    """A second job of this render turned up: it is put on record and claimed, so that nobody adopts it.

    `submission` is the one that made it: the render may be at another renderer by now. A head of 0 on the claim: a job
    that another render has is not ours to cancel, and the append is refused whole.
    """
    claim_stream = streams.job(submission.renderer, submission.credential, job_id)
    fact = RenderDuplicateFound(job_id=job_id, cancelled=False)
    claim = JobClaimed(
        renderer=submission.renderer,
        credential=submission.credential,
        job_id=job_id,
        video_id=render.intent.video_id,
    )
    return Draft(((render.stream, fact), (claim_stream, claim)), {render.stream: render.version, claim_stream: 0})


def duplicate_cancelled(render: Render, job_id: str) -> Draft:
    """The second job is gone."""
    fact = RenderDuplicateFound(job_id=job_id, cancelled=True)
    return Draft(((render.stream, fact),), {render.stream: render.version})


def refused(
    render: Render,
    turn: Turn,
    fact: RenderSubmissionRefused,
    *,
    attempts_max: int,
    offered: Offered | None = None,
) -> Draft:
    """The renderer did not take it. Without a `retry_at`, or after `attempts_max`, the render fails.

    Unless somebody else is `offered`: then it goes there.
    """
    submission = _open_submission(render, fact.attempt)
    if submission is None:
        return NOTHING
    facts: list[tuple[str, Fact]] = [(render.stream, fact)]
    exhausted = submission.attempt >= attempts_max
    if offered is not None and not render.ended and not exhausted:
        facts.append((render.stream, _rerouted(offered, fact.code)))
    elif not render.ended and (fact.retry_at is None or exhausted):
        facts.append((render.stream, RenderFailed(code=fact.code, message=fact.message, failed_by="renderer")))
    return closing(render, turn, submission, facts)


def rerouted(render: Render, offered: Offered, code: str) -> Draft:
    """The renderer cannot be asked: the next one of the route is. Only while nothing is out."""
    if render.phase is not Phase.ALLOWED:
        return NOTHING
    return Draft(((render.stream, _rerouted(offered, code)),), {render.stream: render.version})


def _rerouted(offered: Offered, code: str) -> RenderRerouted:
    return RenderRerouted(
        code=code,
        renderer=offered.renderer,
        credential=offered.credential,
        quote=offered.quote,
        served_model=offered.served_model,
    )


def unknown(render: Render, fact: RenderSubmissionUnknown) -> Draft:
    """No answer came. The turn stays taken until the outcome is known."""
    if _open_submission(render, fact.attempt) is None or render.phase is Phase.UNKNOWN:
        return NOTHING
    return Draft(((render.stream, fact),), {render.stream: render.version})


def absent(render: Render, turn: Turn, *, attempt: int, jobs_searched: int, attempts_max: int) -> Draft:
    """The renderer's whole list was searched and proves that the job never came: try again, at most so often.

    The limit is the last defence against a renderer whose list never shows what it takes and bills.
    """
    submission = _open_submission(render, attempt)
    if submission is None:
        return NOTHING
    fact = RenderSubmissionAbsent(attempt=submission.attempt, jobs_searched=jobs_searched)
    facts: list[tuple[str, Fact]] = [(render.stream, fact)]
    if not render.ended and submission.attempt >= attempts_max:
        facts.append((render.stream, RenderFailed(code="submission_attempts_exceeded", failed_by="bickford")))
    return closing(render, turn, submission, facts)


@dataclass(frozen=True, slots=True)
class Listed:
    """One job of a renderer's list."""

    job: Job
    fingerprint: str | None
    """None when the list does not show enough to tell."""
    created_at: datetime | None
    claimed: bool


@dataclass(slots=True)
class Search:
    """What a renderer's list says of a submission, job by job: a list can be longer than memory should hold."""

    submission: Submission
    found: list[Listed] = field(default_factory=list)
    """Unclaimed jobs that can be this submission's."""
    could_tell: bool = True
    """Whether it could be told of every job that it is not this submission's."""
    jobs_searched: int = 0

    def is_worth_comparing(self, created_at: datetime | None) -> bool:
        """Whether a job of that time can have to do with this submission."""
        return created_at is None or created_at >= self.submission.started_at - timedelta(seconds=CLOCK_DOUBT_S)

    def add(self, listed: Listed) -> None:
        """Takes in one job."""
        self.jobs_searched += 1
        if listed.claimed or not self.is_worth_comparing(listed.created_at):
            return
        equal = listed.fingerprint == self.submission.fingerprint
        since = self.submission.started_at - timedelta(seconds=CLOCK_SKEW_S)
        if listed.created_at is None or listed.created_at >= since:
            if equal:
                self.found.append(listed)
            self.could_tell = self.could_tell and listed.fingerprint is not None
        elif equal:
            # Nobody's job, equal and only too old: rather a clock that is wrong than a coincidence.
            self.could_tell = False


def _open_submission(render: Render, attempt: int) -> Submission | None:
    """The open submission, if it is this attempt's. What a paused worker says of an earlier one changes nothing."""
    submission = render.submission
    if submission is None or not render.submission_open or submission.attempt != attempt:
        return None
    return submission


def closing(render: Render, turn: Turn, submission: Submission, facts: list[tuple[str, Fact]]) -> Draft:
    """These facts as one decision that ends the submission's turn, if it is still its own."""
    heads = {render.stream: render.version}
    if turn.open_by == render.intent.video_id:
        facts.append((turn.id, SubmissionClosed(video_id=render.intent.video_id, attempt=submission.attempt)))
        heads[turn.id] = turn.version
    return Draft(tuple(facts), heads)

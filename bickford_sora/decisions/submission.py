"""Deciding a submission: when it may start, and what each outcome means.

    allowed ─ started ─┬─ queued      the renderer has the job, and it is claimed
                       ├─ refused     it certainly has not: try again, or fail
                       └─ unknown ─┬─ queued   found in the renderer's list
                                   ├─ absent   the list proves it never came: try again
                                   └─ (held)   the list cannot tell: an operator decides

Equal submissions to one credential take turns (`submission` stream), so that at most one unclaimed job can match.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bickford_sora.decisions.drafts import NOTHING, Draft
from ledger import streams
from ledger.envelope import Event, Fact
from ledger.events import (
    JobClaimed,
    RenderDuplicateFound,
    RenderFailed,
    RenderQueued,
    RenderSubmissionAbsent,
    RenderSubmissionRefused,
    RenderSubmissionStarted,
    RenderSubmissionUnknown,
    SubmissionClosed,
    SubmissionOpened,
)
from ledger.lifecycle import Phase, Render, Submission, may_follow

CLOCK_SKEW_S = 120
"""How far a renderer's clock may be from ours, in seconds, when its `created_at` is compared."""


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


@dataclass(frozen=True, slots=True)
class Job:
    """A renderer's job as far as claiming it needs."""

    job_id: str
    status: str
    progress: int


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
    draft = _closing(render, turn, submission, [(render.stream, fact), (claim_stream, claim)])
    # A head of 0: if another render has this job, the append is refused whole.
    return Draft(draft.facts, {**draft.heads, claim_stream: 0})


def duplicate(render: Render, job_id: str, *, cancelled: bool) -> Draft:
    """A second job of this render turned up: it is claimed, so that nobody adopts it, and put on record."""
    submission = render.submission
    if submission is None:
        return NOTHING
    claim_stream = streams.job(submission.renderer, submission.credential, job_id)
    fact = RenderDuplicateFound(job_id=job_id, cancelled=cancelled)
    claim = JobClaimed(
        renderer=submission.renderer,
        credential=submission.credential,
        job_id=job_id,
        video_id=render.intent.video_id,
    )
    return Draft(((render.stream, fact), (claim_stream, claim)), {render.stream: render.version, claim_stream: 0})


def refused(render: Render, turn: Turn, fact: RenderSubmissionRefused, *, attempts_max: int) -> Draft:
    """The renderer did not take it. Without a `retry_at`, or after `attempts_max`, the render fails."""
    submission = _open_submission(render, fact.attempt)
    if submission is None:
        return NOTHING
    facts: list[tuple[str, Fact]] = [(render.stream, fact)]
    if not render.ended and (fact.retry_at is None or submission.attempt >= attempts_max):
        facts.append((render.stream, RenderFailed(code=fact.code, message=fact.message, failed_by="renderer")))
    return _closing(render, turn, submission, facts)


def unknown(render: Render, fact: RenderSubmissionUnknown) -> Draft:
    """No answer came. The turn stays taken until the outcome is known."""
    if _open_submission(render, fact.attempt) is None or render.phase is Phase.UNKNOWN:
        return NOTHING
    return Draft(((render.stream, fact),), {render.stream: render.version})


def absent(render: Render, turn: Turn, *, attempt: int, jobs_searched: int) -> Draft:
    """The renderer's whole list was searched and proves that the job never came."""
    submission = _open_submission(render, attempt)
    if submission is None:
        return NOTHING
    fact = RenderSubmissionAbsent(attempt=submission.attempt, jobs_searched=jobs_searched)
    return _closing(render, turn, submission, [(render.stream, fact)])


@dataclass(frozen=True, slots=True)
class Listed:
    """One job of a renderer's list."""

    job: Job
    fingerprint: str | None
    """None when the list does not show enough to tell."""
    created_at: datetime | None
    claimed: bool


def matches(submission: Submission, listed: Sequence[Listed]) -> tuple[list[Listed], bool]:
    """Unclaimed jobs that can be this submission's, and whether the list could tell for every job of that time."""
    since = submission.started_at - timedelta(seconds=CLOCK_SKEW_S)
    recent = [each for each in listed if not each.claimed and (each.created_at is None or each.created_at >= since)]
    found = [each for each in recent if each.fingerprint == submission.fingerprint]
    return found, all(each.fingerprint is not None for each in recent)


def _open_submission(render: Render, attempt: int) -> Submission | None:
    """The open submission, if it is this attempt's. What a paused worker says of an earlier one changes nothing."""
    submission = render.submission
    if submission is None or not render.submission_open or submission.attempt != attempt:
        return None
    return submission


def _closing(render: Render, turn: Turn, submission: Submission, facts: list[tuple[str, Fact]]) -> Draft:
    heads = {render.stream: render.version}
    if turn.open_by == render.intent.video_id:
        facts.append((turn.id, SubmissionClosed(video_id=render.intent.video_id, attempt=submission.attempt)))
        heads[turn.id] = turn.version
    return Draft(tuple(facts), heads)

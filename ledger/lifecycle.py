"""The life of a render: how each fact changes it, and which fact may follow in which phase. Pure.

    intent ─ allowed ─ submitting ─ queued ─ in_progress ─ completed ─ stored
       │        │  ▲    │    │  ▲                │            │
       │        │  └────┘    └──┴ unknown        │            └─ asset_lost
       ├ denied └─ (failed) ◄────────────────────┘
       └ held ── approved ── allowed                ▼
            └─ denied                              lost ── in_progress, allowed or (failed)

Its renderer may forget a job (`lost`), and the outcome of a submission may stay `unknown`: a rule or a person decides
whether the render is submitted again, or given up.

A render ends in `denied`, `failed`, `cancelled`, `asset_lost` or `stored`; `deleted`, and its erasure, may follow any
end. A stored render whose retention ended stays `stored`: it was completed, its files are gone.

What became of a submission is recorded whenever it is learned, also after the end: a render that failed or was
cancelled while the renderer was being asked may still turn out to have a job, which is money and has to be purged.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from ledger import events as e
from ledger.envelope import Event, Fact
from ledger.render import ENDS, Approval, Failure, Job, Phase, Render, Review, Submission

PROGRESS_STEP = 10
"""Points of progress between two `render.progress` facts."""
PROGRESS_INTERVAL_S = 30
"""Seconds after which news of any progress is recorded."""


class ImpossibleStep(ValueError):  # noqa: N818 - it is a wrong order of facts
    """A fact that cannot follow the phase the render is in: a programmer's mistake or a damaged ledger."""

    code = "impossible_step"


def fold(state: Render | None, events: Iterable[Event]) -> Render | None:
    """The render after `events`, which follow `state`. None while there are none."""
    draft = None if state is None else _changed(state, {})
    for event in events:
        if draft is None:
            draft = _asked_for(event)
        else:
            draft.__dict__.update(_change(draft, event))  # nobody else has it yet
    return draft


def evolve(state: Render | None, event: Event) -> Render:
    """The render after one more event. Raises ImpossibleStep when it cannot come next."""
    return _asked_for(event) if state is None else _changed(state, _change(state, event))


def _change(state: Render, event: Event) -> "_Change":
    """What one more event changes. Raises ImpossibleStep when it cannot come next."""
    stream, version, event_id, context, fact, _, _ = event
    if version != state.version + 1:
        raise ImpossibleStep(f"version {version} after {state.version} in {stream}")
    step = _STEPS.get(type(fact))
    if step is None or not _is_next(state, step):
        raise ImpossibleStep(f"{fact.TYPE} cannot follow phase {state.phase} in {stream}")
    _phases, _condition, attempt, change_of = step  # at once: each name would be looked up
    if attempt is not None:
        _check_attempt(fact, state.attempts + attempt, stream)
    at = context.occurred_at
    change = change_of(state, fact, at)
    change["version"] = version
    change["last_event_at"] = at
    change["last_event_id"] = event_id
    return change


def _changed(state: Render, change: "_Change") -> Render:
    """As `dataclasses.replace`, which calls the constructor with every field; a replay folds millions of events."""
    changed = object.__new__(Render)
    changed.__dict__.update(state.__dict__)
    changed.__dict__.update(change)
    return changed


def _asked_for(event: Event) -> Render:
    intent, context = event.fact, event.context
    if event.version != 1:
        raise ImpossibleStep(f"version {event.version} after 0 in {event.stream}")
    if not isinstance(intent, e.RenderIntent):
        raise ImpossibleStep(f"{intent.TYPE} before render.intent in {event.stream}")
    # The constructor would set all fields one by one, which takes a third of a fold. The class has the defaults.
    asked = object.__new__(Render)
    asked.__dict__.update(
        stream=event.stream,
        version=event.version,
        tenant=context.tenant,
        intent=intent,
        created_at=context.occurred_at,
        last_event_id=event.event_id,
        correlation=context.correlation,
        trace=context.trace,
        asked_with=context.actor,
        last_event_at=context.occurred_at,
    )
    return asked


def may_follow(state: Render, fact: type[Fact]) -> bool:
    """Whether a fact of this type may be recorded next."""
    step = _STEPS.get(fact)
    return step is not None and _is_next(state, step)


def _is_next(state: Render, step: "_Step") -> bool:
    phases, condition, _attempt, _change = step
    return state.phase in phases and (condition is None or condition(state))


def _check_attempt(fact: Any, due: int, stream: str) -> None:
    """A fact is about the attempt that is due: that of an earlier one says nothing about the one in flight."""
    if fact.attempt != due:
        raise ImpossibleStep(f"{fact.TYPE} of attempt {fact.attempt} where {due} is due in {stream}")


# Looked up once: to find a member of an enum takes Python as long as the rest of a step does.
_QUEUED, _IN_PROGRESS = Phase.QUEUED, Phase.IN_PROGRESS
_IN_DOUBT = (Phase.UNKNOWN, Phase.LOST)
_AT_RENDERER = frozenset({Phase.QUEUED, Phase.IN_PROGRESS})
_UNENDED = frozenset(set(Phase) - ENDS)
_IN_FLIGHT = frozenset({Phase.SUBMITTING, Phase.UNKNOWN, Phase.CANCELLED, Phase.FAILED})
"""Phases in which a submission can be open."""
_UNSETTLED = frozenset({Phase.UNKNOWN, Phase.CANCELLED, Phase.FAILED})
"""Phases in which a person can look for the job of a submission, or give it up."""
_ATTEMPTS: dict[type[Fact], int] = {
    e.RenderSubmissionStarted: 1,
    e.RenderSubmissionRefused: 0,
    e.RenderSubmissionUnknown: 0,
    e.RenderSubmissionAbsent: 0,
    e.RenderQueued: 0,
    e.RenderResubmitted: 0,
    e.RenderAdopted: 0,
    e.RenderAbandoned: 0,
}
"""Which attempt a fact is about, counted from the last one: a start from behind it, an outcome is its own."""

_PHASES_BEFORE: dict[type[Fact], frozenset[Phase]] = {
    e.RenderAllowed: frozenset({Phase.INTENT, Phase.HELD}),
    e.RenderDenied: frozenset({Phase.INTENT, Phase.HELD}),
    e.RenderApprovalRequested: frozenset({Phase.INTENT}),
    e.RenderApproved: frozenset({Phase.HELD}),
    e.RenderRerouted: frozenset({Phase.ALLOWED}),
    e.RenderSubmissionStarted: frozenset({Phase.ALLOWED}),
    e.RenderSubmissionRefused: _IN_FLIGHT,
    e.RenderSubmissionUnknown: _IN_FLIGHT,
    e.RenderSubmissionAbsent: _IN_FLIGHT - {Phase.SUBMITTING},
    # Also after `absent` or `refused`: a late answer that there is a job is believed.
    e.RenderQueued: _IN_FLIGHT | {Phase.ALLOWED},
    # A lost job may be there again.
    e.RenderProgress: _AT_RENDERER | {Phase.LOST},
    e.RenderCompleted: _AT_RENDERER | {Phase.LOST},
    e.RenderFailed: _UNENDED,
    e.RenderStored: frozenset({Phase.COMPLETED}),
    e.RenderAssetLost: frozenset({Phase.COMPLETED}),
    e.RenderJobLost: _AT_RENDERER | {Phase.COMPLETED},
    e.RenderResubmitted: frozenset({Phase.UNKNOWN, Phase.LOST}),
    e.RenderAdopted: _UNSETTLED,
    e.RenderAbandoned: _UNSETTLED | {Phase.LOST},
    e.RenderCancelled: _UNENDED,
    e.RenderExpired: frozenset({Phase.STORED}),
    e.RenderDeleted: ENDS,
    e.RenderPurged: ENDS,
    e.RenderRemixed: frozenset({Phase.STORED}),
    e.RenderReviewed: frozenset({Phase.STORED}),
    e.RenderAttemptFailed: frozenset(Phase),
    e.RenderDuplicateFound: frozenset(Phase),
    e.ErasureDecided: ENDS,
    e.SubjectErased: ENDS,
}
"""Which phases each fact may follow."""


def _approved(state: Render) -> bool:
    return state.approval is not None and state.approval.approver is not None


_CONDITIONS: dict[type[Fact], Callable[[Render], bool]] = {
    e.RenderApproved: lambda state: not _approved(state),
    e.RenderAllowed: lambda state: state.phase is Phase.INTENT or _approved(state),
    e.RenderSubmissionRefused: lambda state: state.submission_open,
    e.RenderSubmissionUnknown: lambda state: state.submission_open,
    e.RenderSubmissionAbsent: lambda state: state.submission_open,
    e.RenderQueued: lambda state: state.submission is not None and state.job is None,
    e.RenderResubmitted: lambda state: state.submission_open or state.phase is Phase.LOST,
    e.RenderAdopted: lambda state: state.submission_open,
    e.RenderAbandoned: lambda state: state.submission_open or state.phase is Phase.LOST,
    e.RenderDuplicateFound: lambda state: state.submission is not None,
    e.RenderExpired: lambda state: not (state.expired or state.goes),
    e.RenderDeleted: lambda state: not state.deleted,
    e.RenderPurged: lambda state: not state.purged and (state.goes or state.phase is not Phase.STORED),
    e.ErasureDecided: lambda state: state.erasure is None and not state.erased,
    e.SubjectErased: lambda state: not state.erased,
}
"""What else must hold for a fact to follow."""

_Change = dict[str, Any]


def _submission_started(_state: Render, fact: e.RenderSubmissionStarted, at: datetime) -> _Change:
    submission = Submission(
        fact.attempt, fact.renderer, fact.credential, fact.replica, fact.fingerprint, at, fact.deadline_at
    )
    return {
        "phase": Phase.SUBMITTING,
        "submission": submission,
        "submission_open": True,
        "attempts": fact.attempt,
        "retry_at": None,
    }


def _submission_closed_without_job(state: Render, retry_at: datetime | None, at: datetime) -> _Change:
    if state.ended:
        return {"submission_open": False}
    return {"phase": Phase.ALLOWED, "submission_open": False, "retry_at": retry_at, **_resumed(state, at)}


def _resumed(state: Render, at: datetime) -> _Change:
    """It was held while nobody knew what had become of it; its deadline does not count that."""
    return {"resumed_at": at} if state.phase in _IN_DOUBT else {}


def _unknown(state: Render, _fact: e.RenderSubmissionUnknown, _at: datetime) -> _Change:
    return {} if state.ended else {"phase": Phase.UNKNOWN}


def _queued(state: Render, fact: e.RenderQueued, at: datetime) -> _Change:
    phase = state.phase if state.ended else _QUEUED
    job = Job(fact.renderer, fact.credential, fact.replica, fact.job_id)
    return {
        "phase": phase,
        "job": job,
        "submission_open": False,
        "doubtful": tuple(each for each in state.doubtful if each != fact.attempt) if state.doubtful else (),
        "progress": fact.progress,
        "progress_at": at,
        "retry_at": None,
        "trouble": None,
        "purged": False,
    }


def _progress(state: Render, fact: e.RenderProgress, at: datetime) -> _Change:
    progress = max(state.progress, fact.progress)  # a renderer that counts backwards does not take clients along
    waits = fact.status == "queued" and state.phase in {Phase.QUEUED, Phase.LOST}
    change = {"phase": _QUEUED if waits else _IN_PROGRESS, "progress": progress, "progress_at": at, "trouble": None}
    return change | _resumed(state, at) if state.phase in _IN_DOUBT else change


def _completed(_state: Render, fact: e.RenderCompleted, at: datetime) -> _Change:
    return {
        "phase": Phase.COMPLETED,
        "progress": 100,
        "progress_at": at,
        "completed_at": fact.completed_at or at,
        "renderer_expires_at": fact.expires_at,
        "trouble": None,
    }


def _stored(_state: Render, fact: e.RenderStored, _at: datetime) -> _Change:
    return {"phase": Phase.STORED, "assets": fact.assets, "expires_at": fact.expires_at, "trouble": None}


def _rerouted(state: Render, fact: e.RenderRerouted) -> e.RenderAllowed:
    assert state.allowed is not None, state.stream  # noqa: S101 - the phase says so
    return e.RenderAllowed(
        verdict=state.allowed.verdict,
        renderer=fact.renderer,
        credential=fact.credential,
        quote=fact.quote,
        served_model=fact.served_model,
    )


def _by_approver(state: Render, fact: e.RenderApproved, at: datetime) -> _Change:
    assert state.approval is not None, state.stream  # noqa: S101 - the phase says so
    return {"approval": Approval(state.approval.requested, fact.approver), "resumed_at": at}


def _lost(state: Render, fact: e.RenderJobLost, _at: datetime) -> _Change:
    lost = {"lost_jobs": state.lost_jobs + 1}
    if fact.on_lost is None:
        return {**_ended(Phase.FAILED, Failure("job_lost")), **lost}
    return {"phase": Phase.LOST, "trouble": None, **lost}


def _resubmitted(state: Render, fact: e.RenderResubmitted, at: datetime) -> _Change:
    """As before the submission that is given up; it is remembered that there may be a job more."""
    again = {"phase": Phase.ALLOWED, "submission_open": False, "retry_at": None, "trouble": None, "resumed_at": at}
    if fact.doubt == "unknown":
        return {**again, "doubtful": (*state.doubtful, fact.attempt)}
    return {**again, "job": None, "progress": 0, "completed_at": None, "extra_jobs": state.extra_jobs + 1}


def _abandoned(state: Render, fact: e.RenderAbandoned, _at: datetime) -> _Change:
    """`render.failed` follows, unless the render ended before."""
    if fact.doubt == "lost":
        return {}
    return {"submission_open": False, "doubtful": (*state.doubtful, fact.attempt)}


def _duplicate_found(state: Render, fact: e.RenderDuplicateFound, _at: datetime) -> _Change:
    """A job more; or that of an attempt that was given up, which was counted then."""
    if fact.cancelled:
        return {}
    return {"doubtful": state.doubtful[1:], "extra_jobs": state.extra_jobs + 1}


def _ended(phase: Phase, failure: Failure) -> _Change:
    """The end without a video. A submission that is open stays so until its outcome is known."""
    return {"phase": phase, "failure": failure, "retry_at": None}


def _erased(state: Render, fact: e.SubjectErased, at: datetime) -> _Change:
    return {"erasure": None, "erased_at": state.erased_at or at, "erased": fact.reason != "retention"}


_CHANGES: dict[type[Fact], Callable[[Render, Any, datetime], _Change]] = {
    e.RenderAllowed: lambda _s, f, _at: {"phase": Phase.ALLOWED, "allowed": f, "quoted": f.quote},
    e.RenderDenied: lambda _s, f, _at: _ended(Phase.DENIED, Failure(f.code)),
    e.RenderRerouted: lambda s, f, _at: {"allowed": _rerouted(s, f), "retry_at": None},
    e.RenderApprovalRequested: lambda _s, f, _at: {"phase": Phase.HELD, "approval": Approval(f)},
    e.RenderApproved: _by_approver,
    e.RenderSubmissionStarted: _submission_started,
    e.RenderSubmissionRefused: lambda s, f, at: _submission_closed_without_job(s, f.retry_at, at),
    e.RenderSubmissionUnknown: _unknown,
    e.RenderSubmissionAbsent: lambda s, _f, at: _submission_closed_without_job(s, None, at),
    e.RenderQueued: _queued,
    e.RenderProgress: _progress,
    e.RenderCompleted: _completed,
    e.RenderFailed: lambda _s, f, _at: _ended(Phase.FAILED, Failure(f.code, f.message, f.failed_by)),
    e.RenderStored: _stored,
    e.RenderExpired: lambda _s, _f, _at: {"expired": True, "assets": (), "trouble": None},
    e.RenderAssetLost: lambda _s, f, _at: _ended(Phase.ASSET_LOST, Failure(f.code, f.message)),
    e.RenderJobLost: _lost,
    e.RenderResubmitted: _resubmitted,
    e.RenderAdopted: lambda _s, _f, at: {"resumed_at": at},
    e.RenderAbandoned: _abandoned,
    e.RenderCancelled: lambda _s, _f, _at: _ended(Phase.CANCELLED, Failure("cancelled")),
    e.RenderDeleted: lambda _s, _f, at: {"deleted_at": at},
    e.RenderPurged: lambda _s, _f, _at: {"purged": True, "assets": (), "trouble": None},
    e.RenderRemixed: lambda s, f, _at: {"remixes": (*s.remixes, f.remix_video_id)},
    e.RenderReviewed: lambda s, f, at: {"reviews": (*s.reviews, Review(f, at))},
    e.RenderAttemptFailed: lambda _s, f, _at: {"trouble": f},
    e.RenderDuplicateFound: _duplicate_found,
    e.ErasureDecided: lambda _s, f, _at: {"erasure": f},
    e.SubjectErased: _erased,
}


class _Step(NamedTuple):
    """When a fact of a type may come next, and what it changes, found at once: a replay takes millions of them."""

    phases: tuple[Phase, ...]
    """A tuple finds a phase by identity, a set by a hash that Python computes (five times as long)."""
    condition: Callable[[Render], bool] | None
    attempt: int | None
    change: Callable[[Render, Any, datetime], _Change]


_STEPS = {
    fact: _Step(tuple(phases), _CONDITIONS.get(fact), _ATTEMPTS.get(fact), _CHANGES[fact])
    for fact, phases in _PHASES_BEFORE.items()
}

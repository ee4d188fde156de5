"""The life of a render: given these facts, when another one comes, then this is its state, or it cannot come."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import events as e
from ledger import streams
from ledger.envelope import Event, Fact
from ledger.lifecycle import ImpossibleStep, evolve, fold, may_follow
from ledger.render import ENDS, Job, Phase, Render

from .examples import EXAMPLES, LATER, RENDERS, VIDEO
from .ledger_facts import CONTEXT, NOON, new_id

STREAM = streams.render("acme", VIDEO)


def of(name: str) -> Fact:
    return EXAMPLES[f"render.{name}"]


def history(*facts: Fact | str) -> list[Event]:
    """Events of these facts, a second apart; the intent comes by itself, and a name stands for its example."""
    complete = [of("intent"), *(of(fact) if isinstance(fact, str) else fact for fact in facts)]
    return [
        Event(STREAM, version, new_id(), CONTEXT._replace(occurred_at=moment(version)), fact)
        for version, fact in enumerate(complete, start=1)
    ]


def moment(version: int) -> datetime:
    return NOON + timedelta(seconds=version)


def given_facts(*facts: Fact | str) -> Render:
    render = fold(None, history(*facts))
    assert render is not None
    return render


def after(render: Render, fact: Fact | str) -> Render:
    """The render when one more fact comes."""
    version = render.version + 1
    added = of(fact) if isinstance(fact, str) else fact
    return evolve(render, Event(STREAM, version, new_id(), CONTEXT._replace(occurred_at=moment(version)), added))


SUBMITTING = ("allowed", "submission_started")
AT_RENDERER = (*SUBMITTING, "queued")
ANY = {"attempt_failed"}
SUBMITTED = ANY | {"duplicate_found"}
ENDING = {"failed", "cancelled"}
ERASED = {"erasure.decided", "subject.erased"}
ENDED = ERASED | {"deleted", "purged"}

UNSETTLED = {"adopted", "abandoned"}
LOST_FOR_GOOD = of("job_lost").model_copy(update={"on_lost": None})
MADE_AGAIN = of("resubmitted").model_copy(update={"doubt": "lost", "rule": "on_lost"})

DECIDED, GONE = EXAMPLES["erasure.decided"], EXAMPLES["subject.erased"]

TABLE: dict[str, tuple[tuple[Fact | str, ...], Phase, set[str]]] = {
    "asked": ((), Phase.INTENT, ANY | ENDING | {"allowed", "denied", "approval_requested"}),
    "held": (("approval_requested",), Phase.HELD, ANY | ENDING | {"denied", "approved"}),
    "approved": (("approval_requested", "approved"), Phase.HELD, ANY | ENDING | {"allowed", "denied"}),
    "denied": (("denied",), Phase.DENIED, ANY | ENDED),
    "allowed": (("allowed",), Phase.ALLOWED, ANY | ENDING | {"submission_started", "rerouted"}),
    "submitting": (
        SUBMITTING,
        Phase.SUBMITTING,
        SUBMITTED | ENDING | {"submission_refused", "submission_unknown", "queued"},
    ),
    "unknown": (
        (*SUBMITTING, "submission_unknown"),
        Phase.UNKNOWN,
        SUBMITTED
        | ENDING
        | UNSETTLED
        | {"submission_refused", "submission_unknown", "submission_absent", "queued", "resubmitted"},
    ),
    "unknown, and submitted again": (
        (*SUBMITTING, "submission_unknown", "resubmitted"),
        Phase.ALLOWED,
        SUBMITTED | ENDING | {"submission_started", "queued", "rerouted"},
    ),
    "unknown, and given up": (
        (*SUBMITTING, "submission_unknown", "abandoned", "failed"),
        Phase.FAILED,
        SUBMITTED | ENDED | {"queued"},
    ),
    "unknown, and its job was found": (
        (*SUBMITTING, "submission_unknown", "adopted", "queued"),
        Phase.QUEUED,
        SUBMITTED | ENDING | {"progress", "completed", "job_lost"},
    ),
    "absent, may be asked again": (
        (*SUBMITTING, "submission_unknown", "submission_absent"),
        Phase.ALLOWED,
        SUBMITTED | ENDING | {"submission_started", "queued", "rerouted"},
    ),
    "refused, may be asked again": (
        (*SUBMITTING, "submission_refused"),
        Phase.ALLOWED,
        SUBMITTED | ENDING | {"submission_started", "queued", "rerouted"},
    ),
    "queued": (AT_RENDERER, Phase.QUEUED, SUBMITTED | ENDING | {"progress", "completed", "job_lost"}),
    "in progress": (
        (*AT_RENDERER, "progress"),
        Phase.IN_PROGRESS,
        SUBMITTED | ENDING | {"progress", "completed", "job_lost"},
    ),
    "completed": (
        (*AT_RENDERER, "completed"),
        Phase.COMPLETED,
        SUBMITTED | ENDING | {"stored", "asset_lost", "job_lost"},
    ),
    "stored": (
        (*AT_RENDERER, "completed", "stored"),
        Phase.STORED,
        SUBMITTED | ERASED | {"deleted", "expired", "remixed", "reviewed"},
    ),
    "stored and expired": (
        (*AT_RENDERER, "completed", "stored", "expired"),
        Phase.STORED,
        SUBMITTED | ERASED | {"deleted", "remixed", "reviewed"},
    ),
    "stored, and to be erased": (
        (*AT_RENDERER, "completed", "stored", DECIDED),
        Phase.STORED,
        SUBMITTED | {"subject.erased", "deleted", "expired", "remixed", "reviewed"},
    ),
    "stored and erased": (
        (*AT_RENDERER, "completed", "stored", DECIDED, GONE),
        Phase.STORED,
        SUBMITTED | {"deleted", "purged", "remixed", "reviewed"},
    ),
    "stored, and its prompt's time is over": (
        (*AT_RENDERER, "completed", "stored", GONE.model_copy(update={"reason": "retention"})),
        Phase.STORED,
        SUBMITTED | ERASED | {"deleted", "expired", "remixed", "reviewed"},
    ),
    "stored and deleted": (
        (*AT_RENDERER, "completed", "stored", "deleted"),
        Phase.STORED,
        SUBMITTED | ERASED | {"purged", "remixed", "reviewed"},
    ),
    "stored, deleted and purged": (
        (*AT_RENDERER, "completed", "stored", "deleted", "purged"),
        Phase.STORED,
        SUBMITTED | ERASED | {"remixed", "reviewed"},
    ),
    "file lost": ((*AT_RENDERER, "completed", "asset_lost"), Phase.ASSET_LOST, SUBMITTED | ENDED),
    "job lost": (
        (*AT_RENDERER, "job_lost"),
        Phase.LOST,
        SUBMITTED | ENDING | {"progress", "completed", "resubmitted", "abandoned"},
    ),
    "job lost, before there were rules": ((*AT_RENDERER, LOST_FOR_GOOD), Phase.FAILED, SUBMITTED | ENDED),
    "job lost, and submitted again": (
        (*AT_RENDERER, "job_lost", MADE_AGAIN),
        Phase.ALLOWED,
        SUBMITTED | ENDING | {"submission_started", "queued", "rerouted"},
    ),
    "failed at the renderer": ((*AT_RENDERER, "failed"), Phase.FAILED, SUBMITTED | ENDED),
    "failed before it was sent": (("allowed", "failed"), Phase.FAILED, ANY | ENDED),
    "failed while unknown": (
        (*SUBMITTING, "submission_unknown", "failed"),
        Phase.FAILED,
        SUBMITTED | ENDED | UNSETTLED | {"submission_refused", "submission_unknown", "submission_absent", "queued"},
    ),
    "refused for good": (
        (*SUBMITTING, "submission_refused", "failed"),
        Phase.FAILED,
        SUBMITTED | ENDED | {"queued"},
    ),
    "cancelled while held": (("approval_requested", "cancelled"), Phase.CANCELLED, ANY | ENDED),
    "cancelled while submitting": (
        (*SUBMITTING, "cancelled"),
        Phase.CANCELLED,
        SUBMITTED | ENDED | UNSETTLED | {"submission_refused", "submission_unknown", "submission_absent", "queued"},
    ),
    "cancelled at the renderer": ((*AT_RENDERER, "cancelled"), Phase.CANCELLED, SUBMITTED | ENDED),
}


@pytest.mark.parametrize(("facts", "phase", "next_facts"), TABLE.values(), ids=TABLE)
def test_exactly_these_facts_may_follow(facts: tuple[Fact | str, ...], phase: Phase, next_facts: set[str]) -> None:
    render = given_facts(*facts)
    assert render.phase is phase
    for fact in EXAMPLES.values():
        expected = fact.TYPE.removeprefix("render.") in next_facts
        assert may_follow(render, type(fact)) is expected, fact.TYPE
        if not expected:
            with pytest.raises(ImpossibleStep):
                after(render, fact)
        elif not isinstance(fact, e.RenderSubmissionStarted):
            assert after(render, fact).version == render.version + 1


def test_every_phase_is_in_the_table() -> None:
    assert {phase for _, phase, _ in TABLE.values()} == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_a_render_has_ended_in_these_phases_only(phase: Phase) -> None:
    ended = {row[1]: given_facts(*row[0]).ended for row in TABLE.values()}
    assert ended[phase] is (phase in ENDS)


def test_a_whole_life_is_told_by_its_facts() -> None:
    render = given_facts(*AT_RENDERER, "progress", "completed", "stored", "remixed", "reviewed")
    assert (render.id, render.stream, render.tenant, render.version) == (STREAM, STREAM, "acme", 9)
    assert render.intent == of("intent")
    assert render.allowed == of("allowed")
    assert (render.created_at, render.last_event_at) == (moment(1), moment(9))
    assert render.job == Job("vllm", "main", "http://gpu-1:8000", "video_abc")
    assert (render.attempts, render.submission.attempt, render.submission_open) == (1, 1, False)
    assert (render.submission.started_at, render.submission.deadline_at) == (moment(3), LATER)
    assert render.progress == 100
    assert render.renderer_expires_at == LATER
    assert render.completed_at == of("completed").completed_at
    assert render.assets == of("stored").assets
    assert render.remixes == (of("remixed").remix_video_id,)
    assert (render.failure, render.trouble, render.deleted, render.purged) == (None, None, False, False)


def test_a_renderer_that_gives_no_time_completed_when_we_heard_of_it() -> None:
    assert given_facts(*AT_RENDERER, e.RenderCompleted()).completed_at == moment(5)


def test_progress_never_runs_backwards() -> None:
    render = given_facts(*AT_RENDERER, "progress")
    assert after(render, e.RenderProgress(status="in_progress", progress=10)).progress == 40


@pytest.mark.parametrize("name", ["denied", "failed", "cancelled", "asset_lost", "job_lost"])
def test_an_end_without_a_video_says_why(name: str) -> None:
    before = {
        "denied": (),
        "asset_lost": (*AT_RENDERER, "completed"),
        "job_lost": AT_RENDERER,
    }.get(name, ("allowed",))
    failure = given_facts(*before, LOST_FOR_GOOD if name == "job_lost" else name).failure
    assert failure.code == {"cancelled": "cancelled", "job_lost": "job_lost"}.get(name, getattr(of(name), "code", None))


def test_a_retry_waits_until_its_time_and_counts() -> None:
    refused = given_facts(*SUBMITTING, "submission_refused")
    assert refused.retry_at == LATER
    again = after(refused, of("submission_started").model_copy(update={"attempt": 2}))
    assert (again.phase, again.attempts, again.retry_at) == (Phase.SUBMITTING, 2, None)
    assert given_facts(*SUBMITTING, "submission_refused", "failed").retry_at is None


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_attempt_has_the_next_number(attempt: int) -> None:
    refused = given_facts(*SUBMITTING, "submission_refused")
    with pytest.raises(ImpossibleStep, match="where 2 is due"):
        after(refused, of("submission_started").model_copy(update={"attempt": attempt}))


@pytest.mark.parametrize("outcome", ["submission_refused", "submission_unknown", "submission_absent", "queued"])
def test_the_outcome_of_an_earlier_attempt_says_nothing_of_the_one_in_flight(outcome: str) -> None:
    second = of("submission_started").model_copy(update={"attempt": 2})
    unknown = of("submission_unknown").model_copy(update={"attempt": 2})
    in_flight = given_facts(*SUBMITTING, "submission_refused", second, unknown)
    with pytest.raises(ImpossibleStep, match="attempt 1 where 2"):
        after(in_flight, outcome)
    assert after(in_flight, of(outcome).model_copy(update={"attempt": 2})).attempts == 2


def test_a_render_cancelled_while_submitting_learns_its_job() -> None:
    cancelled = given_facts(*SUBMITTING, "cancelled")
    assert cancelled.submission_open
    late = after(after(cancelled, "submission_unknown"), "queued")
    assert (late.phase, late.submission_open) == (Phase.CANCELLED, False)
    assert late.job.job_id == "video_abc"
    assert may_follow(late, e.RenderPurged)


def test_a_render_that_failed_while_its_submission_was_open_still_learns_its_outcome() -> None:
    failed = given_facts(*SUBMITTING, "submission_unknown", "failed")
    assert failed.submission_open
    absent = after(failed, "submission_absent")
    assert (absent.phase, absent.submission_open, absent.retry_at) == (Phase.FAILED, False, None)
    refused = after(failed, "submission_refused")
    assert (refused.phase, refused.submission_open, refused.retry_at) == (Phase.FAILED, False, None)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_job_that_turns_up_after_the_purge_has_to_be_purged_too(end: str) -> None:
    purged = given_facts(*SUBMITTING, end, "deleted", "purged")
    assert purged.purged
    late = after(purged, "queued")
    assert (late.phase, late.deleted, late.purged) == (Phase(end), True, False)
    again = after(late, "purged")
    assert again.purged
    assert not may_follow(again, e.RenderPurged)


def test_a_late_answer_after_absent_is_believed_instead_of_submitting_twice() -> None:
    late = given_facts(*SUBMITTING, "submission_unknown", "submission_absent", "queued")
    assert late.phase is Phase.QUEUED
    assert not may_follow(late, e.RenderSubmissionStarted)


def test_a_second_job_is_a_duplicate_and_never_replaces_the_first() -> None:
    queued = given_facts(*AT_RENDERER)
    assert not may_follow(queued, e.RenderQueued)
    assert after(queued, "duplicate_found").job == queued.job


def test_trouble_is_over_when_a_call_went_well() -> None:
    troubled = given_facts(*AT_RENDERER, "attempt_failed")
    assert troubled.trouble == of("attempt_failed")
    for name in ("progress", "completed"):
        assert after(troubled, name).trouble is None


def test_a_purged_render_has_no_files_and_keeps_its_facts() -> None:
    purged = given_facts(*AT_RENDERER, "completed", "stored", "deleted", "purged")
    assert (purged.assets, purged.deleted_at) == ((), moment(7))
    assert purged.job is not None


def test_nothing_comes_before_the_intent() -> None:
    assert fold(None, []) is None
    event = Event(STREAM, 1, new_id(), CONTEXT, of("queued"))
    with pytest.raises(ImpossibleStep, match=r"before render\.intent"):
        evolve(None, event)
    with pytest.raises(ImpossibleStep, match="version 2 after 0"):
        evolve(None, event._replace(version=2, fact=of("intent")))


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_is_not_left_out_or_repeated(version: int) -> None:
    with pytest.raises(ImpossibleStep, match="version"):
        evolve(given_facts(), Event(STREAM, version, new_id(), CONTEXT, of("allowed")))


def walk(data: st.DataObject) -> list[Event]:
    """A random life: at each step one of the facts that may follow."""
    events = history()
    render = fold(None, events)
    for _ in range(data.draw(st.integers(0, 25), label="steps")):
        possible = [fact for fact in RENDERS if may_follow(render, type(fact))]
        fact = data.draw(st.sampled_from(possible))
        if isinstance(fact, e.RenderSubmissionStarted):
            fact = fact.model_copy(update={"attempt": render.attempts + 1})
        elif "attempt" in type(fact).model_fields:
            fact = fact.model_copy(update={"attempt": render.attempts})
        context = CONTEXT._replace(occurred_at=moment(render.version + 1))
        events.append(Event(STREAM, render.version + 1, new_id(), context, fact))
        render = evolve(render, events[-1])
    return events


@given(st.data())
def test_a_life_of_facts_that_may_follow_never_raises_and_folds_in_halves(data: st.DataObject) -> None:
    events = walk(data)
    whole = fold(None, events)
    cut = data.draw(st.integers(0, len(events)), label="cut")
    assert fold(fold(None, events[:cut]), events[cut:]) == whole
    assert whole.version == len(events)


@given(st.data())
def test_in_every_life_these_things_hold(data: st.DataObject) -> None:
    before: Render | None = None
    for event in walk(data):
        render = evolve(before, event)
        if before is not None:
            assert render.progress >= before.progress or isinstance(event.fact, e.RenderQueued)
            assert not before.ended or render.phase is before.phase  # an end is an end
            assert before.job is None or render.job == before.job
            assert render.attempts - before.attempts in (0, 1)
        assert (render.failure is not None) == (render.phase in ENDS - {Phase.STORED})
        assert not render.submission_open or render.submission is not None
        assert not render.ended or render.retry_at is None
        assert render.job is None or not render.submission_open
        before = render


@given(st.data())
def test_in_every_life_what_may_not_follow_is_refused(data: st.DataObject) -> None:
    render = fold(None, walk(data))
    impossible = [fact for fact in EXAMPLES.values() if not may_follow(render, type(fact))]
    fact = data.draw(st.sampled_from(impossible))
    with pytest.raises(ImpossibleStep):
        after(render, fact)

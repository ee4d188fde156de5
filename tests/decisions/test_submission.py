from collections.abc import Sequence
from datetime import timedelta

import pytest

from bickford_sora.decisions import submission
from bickford_sora.decisions.submission import Job, Listed, Search
from ledger import events as e
from ledger import streams
from ledger.render import Phase, Render, Submission
from tests.decisions.given import (
    ALLOWED,
    HASH,
    INTENT,
    NOON,
    QUEUED,
    STARTED,
    STREAM,
    TURN,
    UNKNOWN,
    VIDEO_ID,
    applied,
    attempt,
    facts,
    given,
    turn,
    types,
)

JOB = Job("job-1", "queued", 0)
CLAIM = streams.job("simulator", "sim", "job-1")


def test_an_allowed_render_starts_and_takes_its_turn() -> None:
    draft = submission.start(given(INTENT, ALLOWED), turn(), attempt())
    assert types(draft) == ["render.submission_started", "submission.opened"]
    assert draft.heads == {STREAM: 2, TURN: 0}


def test_an_equal_submission_waits_for_its_turn() -> None:
    assert not submission.start(given(INTENT, ALLOWED), turn(open_by="video_" + "2" * 32, version=1), attempt())


@pytest.mark.parametrize("history", [(INTENT, ALLOWED, STARTED), (INTENT, ALLOWED, STARTED, QUEUED)])
def test_a_render_that_was_submitted_is_not_submitted_again(history: tuple[e.RenderIntent, ...]) -> None:
    assert not submission.start(given(*history), turn(open_by=VIDEO_ID, version=1), attempt())


def test_the_job_is_claimed_with_the_answer_in_one_decision() -> None:
    draft = submission.queued(given(INTENT, ALLOWED, STARTED), turn(VIDEO_ID, 1), JOB, attempt=1, found_by_list=False)
    assert types(draft) == ["render.queued", "job.claimed", "submission.closed"]
    assert draft.heads == {STREAM: 3, TURN: 1, CLAIM: 0}


def test_a_late_answer_turns_unknown_into_queued() -> None:
    draft = submission.queued(
        given(INTENT, ALLOWED, STARTED, UNKNOWN), turn(VIDEO_ID, 1), JOB, attempt=1, found_by_list=False
    )
    assert applied(given(INTENT, ALLOWED, STARTED, UNKNOWN), facts(draft)).phase is Phase.QUEUED


def test_a_cancelled_render_still_learns_its_job_so_that_it_can_be_stopped() -> None:
    render = given(INTENT, ALLOWED, STARTED, e.RenderCancelled(reason="deleted"), e.RenderDeleted())
    draft = submission.queued(render, turn(VIDEO_ID, 1), JOB, attempt=1, found_by_list=False)
    after = applied(render, facts(draft))
    assert (after.phase, after.job is not None, after.submission_open) == (Phase.CANCELLED, True, False)


def test_an_outcome_is_recorded_once() -> None:
    assert not submission.queued(given(INTENT, ALLOWED, STARTED, QUEUED), turn(), JOB, attempt=1, found_by_list=True)


def second_attempt() -> Render:
    absent = e.RenderSubmissionAbsent(attempt=1, jobs_searched=0)
    return given(INTENT, ALLOWED, STARTED, UNKNOWN, absent, STARTED.model_copy(update={"attempt": 2}))


def test_what_a_paused_worker_says_of_an_earlier_attempt_changes_nothing() -> None:
    render = second_attempt()
    mine = turn(VIDEO_ID, 3)
    assert not submission.queued(render, mine, JOB, attempt=1, found_by_list=False)
    assert not submission.refused(render, mine, refusal(), attempts_max=3)
    assert not submission.unknown(render, UNKNOWN)
    assert not submission.absent(render, mine, attempt=1, jobs_searched=0, attempts_max=3)


def test_a_job_that_comes_too_late_is_claimed_and_put_on_record() -> None:
    render = second_attempt()
    assert render.submission is not None
    draft = submission.duplicate(render, render.submission, "job-1")
    assert types(draft) == ["render.duplicate_found", "job.claimed"]
    assert draft.heads[CLAIM] == 0
    assert applied(second_attempt(), facts(draft)).submission_open


def test_a_late_answer_after_proven_absence_is_believed_while_nothing_else_was_sent() -> None:
    absent = e.RenderSubmissionAbsent(attempt=1, jobs_searched=0)
    render = given(INTENT, ALLOWED, STARTED, UNKNOWN, absent)
    draft = submission.queued(render, turn(None, 2), JOB, attempt=1, found_by_list=False)
    assert types(draft) == ["render.queued", "job.claimed"]
    assert applied(render, facts(draft)).phase is Phase.QUEUED


def refusal(**change: object) -> e.RenderSubmissionRefused:
    fields = {"attempt": 1, "code": "renderer_rate_limited", "http_status": 429, "retry_at": NOON}
    return e.RenderSubmissionRefused.model_validate({**fields, **change})


def test_a_refusal_with_a_time_lets_it_try_again() -> None:
    render = given(INTENT, ALLOWED, STARTED)
    draft = submission.refused(render, turn(VIDEO_ID, 1), refusal(), attempts_max=3)
    assert types(draft) == ["render.submission_refused", "submission.closed"]
    after = applied(render, facts(draft))
    assert (after.phase, after.retry_at) == (Phase.ALLOWED, NOON)


@pytest.mark.parametrize(("fact", "attempts_max"), [(refusal(retry_at=None), 3), (refusal(), 1)])
def test_a_final_refusal_fails_the_render(fact: e.RenderSubmissionRefused, attempts_max: int) -> None:
    render = given(INTENT, ALLOWED, STARTED)
    draft = submission.refused(render, turn(VIDEO_ID, 1), fact, attempts_max=attempts_max)
    assert types(draft) == ["render.submission_refused", "render.failed", "submission.closed"]
    assert applied(render, facts(draft)).phase is Phase.FAILED


def test_no_answer_is_unknown_and_keeps_the_turn() -> None:
    draft = submission.unknown(given(INTENT, ALLOWED, STARTED), UNKNOWN)
    assert types(draft) == ["render.submission_unknown"]
    assert applied(given(INTENT, ALLOWED, STARTED), facts(draft)).submission_open


def test_unknown_is_said_once() -> None:
    assert not submission.unknown(given(INTENT, ALLOWED, STARTED, UNKNOWN), UNKNOWN)


def test_proven_absence_allows_another_attempt() -> None:
    render = given(INTENT, ALLOWED, STARTED, UNKNOWN)
    draft = submission.absent(render, turn(VIDEO_ID, 1), attempt=1, jobs_searched=7, attempts_max=3)
    assert types(draft) == ["render.submission_absent", "submission.closed"]
    assert applied(render, facts(draft)).phase is Phase.ALLOWED


def test_absence_does_not_let_a_render_be_submitted_without_end() -> None:
    render = given(INTENT, ALLOWED, STARTED, UNKNOWN)
    draft = submission.absent(render, turn(VIDEO_ID, 1), attempt=1, jobs_searched=7, attempts_max=1)
    assert types(draft) == ["render.submission_absent", "render.failed", "submission.closed"]
    after = applied(render, facts(draft))
    assert (after.phase, after.submission_open) == (Phase.FAILED, False)


def matches(opened: Submission, jobs: Sequence[Listed]) -> tuple[list[Listed], bool]:
    search = Search(opened)
    for job in jobs:
        search.add(job)
    assert search.jobs_searched == len(jobs)
    return search.found, search.could_tell


def listed(job_id: str = "job-1", **change: object) -> Listed:
    fields: dict[str, object] = {"fingerprint": HASH, "created_at": NOON, "claimed": False, **change}
    return Listed(job=Job(job_id, "queued", 0), **fields)  # type: ignore[arg-type]


def test_only_unclaimed_jobs_of_the_time_with_the_fingerprint_match() -> None:
    opened = given(INTENT, ALLOWED, STARTED).submission
    assert opened is not None
    old = NOON - timedelta(hours=1)
    jobs = [
        listed("claimed", claimed=True),
        listed("old", fingerprint="b" * 64, created_at=old),
        listed("other", fingerprint="b" * 64),
        listed("mine"),
    ]
    found, could_tell = matches(opened, jobs)
    assert ([each.job.job_id for each in found], could_tell) == (["mine"], True)


def test_a_job_that_shows_no_prompt_makes_absence_unprovable() -> None:
    opened = given(INTENT, ALLOWED, STARTED).submission
    assert opened is not None
    assert matches(opened, [listed(fingerprint=None)]) == ([], False)
    assert matches(opened, [listed(fingerprint=None, claimed=True)]) == ([], True)


def test_an_equal_job_that_only_seems_too_old_makes_absence_unprovable() -> None:
    opened = given(INTENT, ALLOWED, STARTED).submission
    assert opened is not None
    an_hour_off = listed(created_at=NOON - timedelta(hours=1))
    assert matches(opened, [an_hour_off]) == ([], False)
    assert matches(opened, [listed(created_at=NOON - timedelta(hours=1), claimed=True)]) == ([], True)
    assert matches(opened, [listed(created_at=NOON - timedelta(days=2))]) == ([], True)

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from bickford_sora.decisions import news, unknown
from bickford_sora.decisions.catalogue import OnLost, Recovery
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.news import News
from ledger import events as e
from ledger.render import Phase, Render
from tests.decisions.given import (
    ALLOWED,
    ASSET,
    COMPLETED,
    INTENT,
    NOON,
    QUEUED,
    STARTED,
    STORED,
    applied,
    facts,
    given,
    progress,
    types,
)

AT_RENDERER = (INTENT, ALLOWED, STARTED, QUEUED)
LATER = NOON + timedelta(minutes=5)


def test_the_first_progress_is_news() -> None:
    assert types(news.heard(given(*AT_RENDERER), News("in_progress", 0), NOON)) == ["render.progress"]


@pytest.mark.parametrize(
    ("percent", "after", "recorded"),
    [(10, 1, []), (15, 1, []), (20, 1, ["render.progress"]), (11, 31, ["render.progress"]), (5, 31, [])],
)
def test_progress_is_recorded_in_steps_of_ten_points_or_thirty_seconds(
    percent: int, after: int, recorded: list[str]
) -> None:
    render = given(*AT_RENDERER, progress(10))
    assert render.progress_at is not None
    now = render.progress_at + timedelta(seconds=after)
    assert types(news.heard(render, News("in_progress", percent), now)) == recorded


def test_a_poll_that_brings_no_news_appends_nothing() -> None:
    assert not news.heard(given(*AT_RENDERER), News("queued", 0), LATER)


def test_completion_and_failure_are_news() -> None:
    assert types(news.heard(given(*AT_RENDERER), News("completed", 100), NOON)) == ["render.completed"]
    failed = facts(news.heard(given(*AT_RENDERER), News("failed", 40, error_code="moderation_blocked"), NOON))[0]
    assert isinstance(failed, e.RenderFailed)
    assert (failed.code, failed.failed_by) == ("moderation_blocked", "renderer")


STATUSES = st.sampled_from(["queued", "in_progress", "completed", "failed"])
NEWS = st.builds(News, STATUSES, st.integers(0, 100))


@for_all(st.lists(NEWS, max_size=12), st.lists(st.integers(0, 11), max_size=12))
def test_late_repeated_and_reordered_news_never_breaks_the_history(told: list[News], again: list[int]) -> None:
    render = given(*AT_RENDERER)
    for each in [*told, *(told[i] for i in again if i < len(told))]:
        render = applied(render, facts(news.heard(render, each, LATER)))
    ends = [each.status for each in told if each.status in {"completed", "failed"}]
    expected = {"completed": Phase.COMPLETED, "failed": Phase.FAILED}[ends[0]] if ends else None
    assert expected in {None, render.phase}


def trouble(code: str = "renderer_unavailable") -> e.RenderAttemptFailed:
    return e.RenderAttemptFailed(step="follow", code=code, http_status=503)


def test_the_same_trouble_is_recorded_once() -> None:
    render = given(*AT_RENDERER, trouble())
    assert not news.trouble(render, trouble())
    assert types(news.trouble(render, trouble("renderer_no_answer"))) == ["render.attempt_failed"]


GRACE_S = 30.0


def gone(render: Render, now: datetime, grace_s: float = GRACE_S) -> Draft:
    return news.job_gone(render, 404, now, Recovery(lost_grace_s=grace_s), poll_interval_s=5.0)


def test_a_job_is_believed_lost_when_it_is_still_gone_after_the_grace() -> None:
    render = given(*AT_RENDERER)
    once = facts(gone(render, NOON))
    assert [fact.TYPE for fact in once] == ["render.attempt_failed"]
    render = applied(render, once)
    assert render.last_event_at is not None
    soon, later = (render.last_event_at + timedelta(seconds=seconds) for seconds in (GRACE_S - 1, GRACE_S))
    assert not gone(render, soon)
    assert types(gone(render, later)) == ["render.job_lost"]


def test_a_short_grace_still_takes_several_looks() -> None:
    render = applied(given(*AT_RENDERER), facts(gone(given(*AT_RENDERER), NOON)))
    assert render.last_event_at is not None
    soon, later = (render.last_event_at + timedelta(seconds=seconds) for seconds in (14, 15))
    assert not gone(render, soon, 0.0)
    assert types(gone(render, later, 0.0)) == ["render.job_lost"]


@pytest.mark.parametrize(
    ("rule", "lost_before", "then"),
    [
        ("hold", 0, []),
        ("fail", 0, ["render.failed"]),
        ("resubmit", 2, ["render.resubmitted"]),
        ("resubmit", 3, ["render.failed"]),
    ],
)
def test_what_becomes_of_a_lost_job_is_the_rules_word(rule: OnLost, lost_before: int, then: list[str]) -> None:
    render = replace(given(*AT_RENDERER), lost_jobs=lost_before)
    drafted = facts(unknown.lost(render, 404, Recovery(on_lost=rule)))
    assert [fact.TYPE for fact in drafted] == ["render.job_lost", *then]
    assert isinstance(drafted[0], e.RenderJobLost)
    assert drafted[0].on_lost == rule
    if lost_before == 3:
        assert isinstance(drafted[1], e.RenderFailed)
        assert drafted[1].code == "lost_attempts_exceeded"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ((), News("queued", 0)),
        ((progress(10),), News("in_progress", 10)),
        ((progress(10),), News("queued", 0)),
    ],
)
def test_a_job_that_is_found_again_is_missed_for_the_first_time_again(
    before: tuple[e.RenderProgress, ...], said: News
) -> None:
    render = given(*AT_RENDERER, *before, trouble(news.JOB_GONE))
    found = facts(news.heard(render, said, NOON))
    assert [fact.TYPE for fact in found] == ["render.progress"]
    again = applied(render, found)
    assert (again.phase, again.progress) == (render.phase, render.progress)
    assert not news.heard(again, said, NOON)
    assert types(gone(again, LATER)) == ["render.attempt_failed"]


def bad_file() -> e.RenderAttemptFailed:
    return e.RenderAttemptFailed(step="store", code="media_truncated")


def test_a_file_is_lost_after_so_many_bad_downloads() -> None:
    completed = given(*AT_RENDERER, COMPLETED)
    assert types(news.download_failed(completed, bad_file(), Recovery(), failed_before=0, attempts_max=2)) == [
        "render.attempt_failed"
    ]
    again = given(*AT_RENDERER, COMPLETED, bad_file())
    assert types(news.download_failed(again, bad_file(), Recovery(), failed_before=1, attempts_max=2)) == [
        "render.asset_lost"
    ]


def test_a_completed_render_whose_file_never_comes_reaches_an_end() -> None:
    completed = given(*AT_RENDERER, COMPLETED)
    assert not news.too_long_in_storing(completed, NOON + timedelta(hours=5), render_deadline_s=6 * 3600)
    late = news.too_long_in_storing(completed, NOON + timedelta(hours=7), render_deadline_s=6 * 3600)
    assert types(late) == ["render.asset_lost"]


@pytest.mark.parametrize(
    ("render", "failed"),
    [
        (given(INTENT, ALLOWED), True),
        (given(*AT_RENDERER), True),
        (given(INTENT, ALLOWED, STARTED), False),
        (given(*AT_RENDERER, COMPLETED, STORED), False),
    ],
)
def test_the_watchdog_fails_what_does_not_end_but_never_an_unknown_outcome(render: Render, failed: bool) -> None:
    draft = news.overdue(render, NOON + timedelta(hours=7), render_deadline_s=6 * 3600)
    assert types(draft) == (["render.failed"] if failed else [])
    assert not news.overdue(render, NOON + timedelta(hours=5), render_deadline_s=6 * 3600)


def test_storing_twice_is_recorded_once() -> None:
    completed = given(*AT_RENDERER, COMPLETED)
    assert types(news.stored(completed, (ASSET,))) == ["render.stored"]
    stored = given(*AT_RENDERER, COMPLETED, STORED)
    assert not news.stored(stored, (ASSET,))
    assert not news.asset_lost(stored, "renderer_asset_expired")

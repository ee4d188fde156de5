"""What each worker promises when something around it is wrong."""

import itertools
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from bickford_sora.assets.errors import AssetStoreUnavailable, MediaFault, MediaInvalid
from bickford_sora.decisions import submission
from bickford_sora.decisions.request import create_request
from bickford_sora.recording import Origin
from bickford_sora.workers import submit as submitting
from bickford_sora.workers.workshop import Task
from ledger import streams
from ledger.envelope import Decision
from ledger.errors import Unavailable
from ledger.events import RenderDuplicateFound, RenderSubmissionRefused
from ledger.render import Phase
from tests.workers.harness import CALLER, LIMITS, Harness, harness


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


# --- submit ------------------------------------------------------------------------------------


def test_a_call_that_would_outlast_its_deadline_is_not_made(shop: Harness) -> None:
    video_id = shop.ask()
    # The process is paused between its record and the last bytes of its call.
    shop.mischief.hooks["submit"] = lambda: shop.clock.advance(LIMITS.submit_timeout_s * 1.6)
    shop.work(video_id)
    assert shop.renderer.jobs_taken == []
    refused = shop.facts(video_id)[-1]
    assert isinstance(refused, RenderSubmissionRefused)
    assert refused.code == "submission_too_late"
    shop.run()
    assert (shop.render(video_id).phase, len(shop.renderer.jobs_taken)) == (Phase.STORED, 1)


def test_an_answer_outlives_a_database_that_is_away(shop: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "OUTCOME_PAUSE_S", 0.0)
    video_id = shop.ask()
    away = iter([True] * 5)

    def render(*_arguments: object, **_more: object) -> object:
        if next(away, False):
            raise Unavailable("the database does not answer")
        del shop.ledger.render  # type: ignore[method-assign]
        return shop.render(video_id)

    shop.mischief.hooks["submit"] = lambda: setattr(shop.ledger, "render", render)
    shop.work(video_id)
    assert shop.types(video_id)[-2:] == ["render.submission_started", "render.queued"]


def test_an_answer_outlives_an_outage_of_half_an_hour_and_says_so_once(
    shop: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    elapsed = itertools.count(step=125)  # what one append to a database that hangs takes, in seconds
    monkeypatch.setattr(submitting, "time", SimpleNamespace(monotonic=lambda: next(elapsed), sleep=lambda _s: None))
    video_id = shop.ask()
    away = iter([True] * 15)
    append = shop.ledger.append

    def hangs(decision: Decision) -> object:
        if next(away, False):
            raise Unavailable("no answer in time")
        return append(decision)

    shop.mischief.hooks["submit"] = lambda: setattr(shop.ledger, "append", hangs)
    with structlog.testing.capture_logs() as logs:
        shop.work(video_id)
    assert shop.types(video_id)[-2:] == ["render.submission_started", "render.queued"]
    assert [each["event"] for each in logs].count("outcome_waits_for_database") == 1


def test_a_reference_that_cannot_be_read_ends_the_render_and_asks_for_nothing(shop: Harness) -> None:
    video_id = shop.ask()

    def missing() -> None:
        raise AssetStoreUnavailable("no disk")

    for _ in range(LIMITS.submission_attempts_max):
        shop.mischief.hooks["submit"] = missing
        shop.work(video_id)
        shop.clock.advance(LIMITS.retry_after_max_s)
    render = shop.render(video_id)
    assert render.failure is not None
    assert (render.phase, render.failure.code) == (Phase.FAILED, "reference_unavailable")
    assert shop.renderer.jobs_taken == []


def test_the_second_job_of_a_paused_worker_is_on_record_and_cancelled(shop: Harness) -> None:
    video_id = shop.ask()
    shop.mischief.hooks["on its way"] = lambda: meanwhile_found_absent_and_started_again(shop, video_id)
    shop.work(video_id)
    found = [fact for fact in shop.facts(video_id) if isinstance(fact, RenderDuplicateFound)]
    assert [(fact.job_id, fact.cancelled) for fact in found] == [("job-2", False), ("job-2", True)]
    assert [job.deleted for job in shop.renderer.jobs_taken] == [False, True]
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED


def meanwhile_found_absent_and_started_again(shop: Harness, video_id: str) -> None:
    shop.clock.advance(3600)
    shop.work(video_id)  # reconcile: absent
    shop.work(video_id)  # submit: takes job-1
    assert shop.types(video_id)[-2:] == ["render.submission_started", "render.queued"]


def test_a_late_job_that_an_equal_render_adopted_is_left_alive(shop: Harness) -> None:
    first, second = shop.ask(), shop.ask()

    def adopted_by_the_second() -> None:
        meanwhile_found_absent_and_started_again(shop, first)
        claim = streams.job("memory", "mem", "job-2")
        shop.mischief.scripts["submit"] = ["lose request"]
        shop.work(second)
        render = shop.render(second)
        opened = render.submission
        assert opened is not None
        turn = submission.Turn.fold(None, shop.ledger.history(streams.submission("memory", "mem", opened.fingerprint)))
        assert turn is not None
        draft = submission.queued(render, turn, submission.Job("job-2", "queued", 0), attempt=1, found_by_list=True)
        shop.shop.recording.append(draft, Origin.of(render, "worker"), on=render)
        assert shop.ledger.history(claim)

    shop.mischief.hooks["on its way"] = adopted_by_the_second
    shop.work(first)
    assert shop.renderer.jobs_taken[1].news.job_id == "job-2"
    assert not any(job.deleted for job in shop.renderer.jobs_taken)
    shop.run()
    assert {shop.render(each).phase for each in (first, second)} == {Phase.STORED}


# --- reconcile ---------------------------------------------------------------------------------


def test_a_renderer_that_never_shows_what_it_takes_is_not_paid_without_end() -> None:
    with harness(submission_attempts_max=3) as shop:
        shop.mischief.scripts["submit"] = ["forget"] * 20
        video_id = shop.ask()
        shop.run()
        render = shop.render(video_id)
        assert render.failure is not None
        assert (render.phase, render.failure.code) == (Phase.FAILED, "submission_attempts_exceeded")
        assert len(shop.renderer.jobs_taken) == 3


def test_a_renderer_whose_clock_is_wrong_is_not_paid_twice(shop: Harness) -> None:
    shop.renderer.skew_s = -15 * 60
    shop.mischief.scripts["submit"] = ["lose answer"]
    video_id = shop.ask()
    shop.run(run_s_max=3600)
    assert len(shop.renderer.jobs_taken) == 1
    trouble = shop.render(video_id).trouble
    assert trouble is not None
    assert trouble.code == "absence_not_proven"


def test_an_erased_render_reaches_its_end_whatever_the_renderer_says(shop: Harness) -> None:
    shop.mischief.scripts.update({"submit": ["lose answer"], "status": ["away", "fails"]})
    video_id = shop.ask()
    shop.work(video_id)
    shop.keys.destroy(requester=CALLER.requester, subject=video_id)
    shop.run(run_s_max=600)
    render = shop.render(video_id)
    assert render.failure is not None
    assert (render.phase, render.failure.code, render.failure.message) == (Phase.FAILED, "moderation_blocked", None)


# --- follow ------------------------------------------------------------------------------------


def test_a_job_that_ended_while_nobody_was_running_is_taken_in_however_late(shop: Harness) -> None:
    video_id = shop.ask()
    shop.work(video_id)
    shop.renderer.jobs_taken[0].polls = 1
    shop.clock.advance(72 * 3600)
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED


def test_a_job_that_never_ends_is_failed_by_the_watchdog(shop: Harness) -> None:
    shop.mischief.scripts["status"] = ["away"] * 10_000
    video_id = shop.ask()
    shop.work(video_id)
    shop.clock.advance(LIMITS.render_deadline_s)
    shop.work(video_id)
    assert shop.types(video_id)[-1] == "render.failed"


def test_a_job_missed_for_less_than_the_grace_is_not_lost(shop: Harness) -> None:
    shop.mischief.scripts["status"] = ["gone", "gone", "gone"]
    video_id = shop.ask()
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED


def test_a_render_whose_renderer_is_not_configured_waits_and_then_ends(shop: Harness) -> None:
    video_id = shop.ask()
    shop.work(video_id)
    shop.renderers.clear()
    shop.run(run_s_max=LIMITS.render_deadline_s / 2)
    assert shop.render(video_id).phase is Phase.QUEUED
    shop.run()
    assert shop.render(video_id).phase is Phase.FAILED


# --- store -------------------------------------------------------------------------------------


def completed(shop: Harness) -> str:
    video_id = shop.ask()
    shop.run(until=lambda: shop.render(video_id).phase is Phase.COMPLETED)
    return video_id


def test_a_wait_for_its_renderer_uses_up_none_of_a_files_attempts(shop: Harness) -> None:
    video_id = completed(shop)
    renderers = {**shop.renderers}
    shop.renderers.clear()
    shop.run(run_s_max=1800)
    shop.renderers.update(renderers)
    shop.mischief.scripts["content"] = ["broken"] * 3
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED


def test_an_outage_of_the_renderer_costs_no_file(shop: Harness) -> None:
    video_id = completed(shop)
    shop.mischief.scripts["content"] = ["away"] * (LIMITS.store_attempts_max * 2)
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    assert shop.types(video_id).count("render.attempt_failed") == 1


def test_a_file_that_cannot_be_had_for_too_long_is_lost(shop: Harness) -> None:
    video_id = completed(shop)
    shop.mischief.scripts["content"] = ["away"] * 10_000
    shop.run()
    render = shop.render(video_id)
    assert render.failure is not None
    assert (render.phase, render.failure.code) == (Phase.ASSET_LOST, "deadline_exceeded")


def test_a_bad_file_is_lost_after_its_attempts_each_on_record(shop: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = completed(shop)

    def refuse(_source: Path) -> None:
        raise MediaInvalid(MediaFault.TRUNCATED, "It ends too soon.")

    monkeypatch.setattr(shop.shop.inspector, "inspect_video", refuse)
    shop.run()
    render = shop.render(video_id)
    assert render.failure is not None
    assert (render.phase, render.failure.code) == (Phase.ASSET_LOST, "media_truncated")
    assert shop.types(video_id).count("render.attempt_failed") == LIMITS.store_attempts_max - 1


def test_a_video_deleted_during_its_download_leaves_no_copy_behind(shop: Harness) -> None:
    video_id = completed(shop)

    def deleted_meanwhile() -> None:
        shop.delete(video_id)
        shop.work(video_id)
        assert shop.render(video_id).purged

    shop.mischief.hooks["assets.put"] = deleted_meanwhile
    stream = streams.render("main", video_id)
    shop.workers["store"](submitting.Task(stream, 0))
    assert shop.assets.uris == set()
    assert shop.types(video_id)[-1] == "render.purged"


# --- purge -------------------------------------------------------------------------------------


def test_our_copies_go_also_while_the_renderer_does_not_answer(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run()
    shop.delete(video_id)
    shop.mischief.scripts["delete"] = ["away"]
    shop.work(video_id)
    assert shop.assets.uris == set()
    assert not shop.render(video_id).purged
    shop.run()
    assert shop.render(video_id).purged
    assert shop.renderer.jobs_taken[0].deleted


def test_the_renderers_copy_is_not_given_up_while_it_is_not_configured(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run()
    shop.delete(video_id)
    renderers = {**shop.renderers}
    shop.renderers.clear()
    shop.run(run_s_max=timedelta(hours=1).total_seconds())
    assert not shop.render(video_id).purged
    shop.renderers.update(renderers)
    shop.run()
    assert (shop.render(video_id).purged, shop.renderer.jobs_taken[0].deleted) == (True, True)


# --- logs --------------------------------------------------------------------------------------


def test_what_a_worker_logs_names_the_request_it_works_for(shop: Harness) -> None:
    correlation, trace = uuid.UUID(int=7), "4bf92f3577b34da6a3ce929d0e0e4736"
    origin = Origin("main", "key_1", correlation, trace=trace)
    request = create_request({"prompt": "a red kite"}, {})
    asked = shop.intake.ask(CALLER, request, shop.intake.terms(origin, "create", request)).render
    with structlog.contextvars.bound_contextvars():
        shop.shop.render(Task(asked.stream, 0))
        bound = structlog.contextvars.get_contextvars()
        structlog.contextvars.unbind_contextvars("request_id", "trace_id")
    assert bound == {"request_id": f"req_{correlation.hex}", "trace_id": trace}

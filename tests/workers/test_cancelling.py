"""Deleting what is not finished: stopped where the renderer can, said so where it cannot, and never for ever."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bickford_sora.renderers.openai import CAPABILITIES
from ledger.events import RenderAttemptFailed, RenderPurged
from ledger.render import Phase
from tests.workers.harness import LIMITS, Harness, harness


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


def queued(shop: Harness) -> str:
    video_id = shop.ask()
    shop.work(video_id)
    assert shop.render(video_id).phase is Phase.QUEUED
    return video_id


def purged(shop: Harness, video_id: str) -> RenderPurged:
    fact = shop.facts(video_id)[-1]
    assert isinstance(fact, RenderPurged)
    return fact


def test_a_renderer_that_can_is_made_to_stop_at_once(shop: Harness) -> None:
    video_id = queued(shop)
    assert shop.delete(video_id) == "aborting"
    shop.work(video_id)
    assert purged(shop, video_id).renderer_copy == "deleted"
    assert shop.renderer.jobs_taken[0].polls == 0


def test_what_was_never_sent_is_not_sent_any_more(shop: Harness) -> None:
    video_id = shop.ask()
    assert shop.delete(video_id) == "not_sent"
    shop.run()
    assert (purged(shop, video_id).renderer_copy, shop.renderer.jobs_taken) == ("none", [])


def test_what_the_renderer_has_finished_is_too_late_to_stop(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run(until=lambda: shop.render(video_id).phase is Phase.COMPLETED)
    assert shop.delete(video_id) == "too_late"


def test_a_finished_video_is_deleted_without_a_word_of_cancelling(shop: Harness) -> None:
    video_id = shop.ask()
    shop.run()
    assert shop.delete(video_id) is None
    assert "render.cancelled" not in shop.types(video_id)


def test_a_submission_whose_outcome_is_open_is_stopped_when_its_job_is_found(shop: Harness) -> None:
    shop.mischief.scripts["submit"] = ["lose answer"]
    video_id = shop.ask()
    shop.work(video_id)
    assert shop.delete(video_id) == "aborting"
    shop.run()
    assert purged(shop, video_id).renderer_copy == "deleted"
    assert all(job.deleted for job in shop.renderer.jobs_taken)


def test_a_renderer_that_cannot_stop_is_let_finish_and_its_copy_deleted_then(shop: Harness) -> None:
    shop.renderer.capabilities = replace(CAPABILITIES, cancels=False)
    video_id = queued(shop)
    assert shop.delete(video_id) == "not_supported"
    shop.work(video_id)
    (waits,) = [fact for fact in shop.facts(video_id) if isinstance(fact, RenderAttemptFailed)]
    assert (waits.step, waits.code) == ("purge", "renderer_job_running")
    assert not shop.renderer.jobs_taken[0].deleted
    shop.run()
    assert purged(shop, video_id).renderer_copy == "deleted"
    assert shop.renderer.jobs_taken[0].news.status == "completed"


def test_a_job_that_never_ends_is_not_waited_for_without_end(shop: Harness) -> None:
    shop.renderer.capabilities = replace(CAPABILITIES, cancels=False)
    video_id = queued(shop)
    shop.delete(video_id)
    shop.renderer.never_ends = True
    began = shop.clock.now
    shop.run()
    assert purged(shop, video_id).renderer_copy == "unsupported"
    waited_s = (shop.clock.now - began).total_seconds()
    assert LIMITS.render_deadline_s <= waited_s < LIMITS.render_deadline_s + LIMITS.retry_after_max_s + 60


def test_a_renderer_that_deletes_nothing_is_not_even_asked(shop: Harness) -> None:
    shop.renderer.capabilities = replace(CAPABILITIES, cancels=False, deletes=False)
    video_id = queued(shop)
    shop.delete(video_id)
    shop.mischief.scripts["delete"] = ["away"]
    shop.work(video_id)
    assert purged(shop, video_id).renderer_copy == "unsupported"
    assert shop.mischief.scripts["delete"] == ["away"]


def test_a_job_that_cannot_be_stopped_yet_is_stopped_later(shop: Harness) -> None:
    video_id = queued(shop)
    shop.delete(video_id)
    shop.mischief.scripts["delete"] = ["conflict"] * 3
    shop.run()
    assert purged(shop, video_id).renderer_copy == "deleted"
    assert shop.types(video_id).count("render.attempt_failed") == 1


def test_a_job_that_can_never_be_stopped_is_given_up_at_the_deadline(shop: Harness) -> None:
    video_id = queued(shop)
    shop.delete(video_id)
    shop.mischief.scripts["delete"] = ["conflict"] * 10_000
    shop.run()
    assert purged(shop, video_id).renderer_copy == "unsupported"


def test_a_renderer_that_is_away_is_not_given_up(shop: Harness) -> None:
    video_id = queued(shop)
    shop.delete(video_id)
    shop.mischief.scripts["delete"] = ["away"] * 40
    shop.run()
    assert purged(shop, video_id).renderer_copy == "deleted"

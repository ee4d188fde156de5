"""What a renderer bills late, or a second time, is booked: once, and at what it is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bickford_sora.decisions.catalogue import Price, Recovery
from bickford_sora.renderers.openai import CAPABILITIES
from ledger import events as e
from ledger import streams
from ledger.render import Phase
from tests.ledger.spending import books_of
from tests.workers.harness import Harness, harness

QUOTED = 400_000
"""Of one render of the harness, in millionths."""


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


def spent(shop: Harness, video_id: str) -> int:
    """What a render cost in all, corrections included."""
    facts = [event.fact for event in shop.ledger.history(streams.spend("main"))]
    more = sum(each.cost.amount_micro for each in facts if isinstance(each, e.SpendAdjusted))
    return books_of(facts).settled[video_id] + more


def test_a_job_that_answers_after_its_cancelled_render_was_released_is_booked(shop: Harness) -> None:
    def cancelled_and_given_back() -> None:
        shop.run(until=lambda: shop.render(video_id).phase is Phase.UNKNOWN)
        shop.delete(video_id)
        shop.run(until=lambda: not shop.render(video_id).submission_open)

    shop.mischief.hooks["on its way"] = cancelled_and_given_back
    video_id = shop.ask()
    shop.run()
    assert len(shop.renderer.billed(video_id)) == 1
    assert "spend.released" in [event.fact.TYPE for event in shop.ledger.history(streams.spend("main"))]
    assert spent(shop, video_id) == QUOTED
    shop.check()


def test_what_a_second_job_made_is_settled_and_not_what_it_was_quoted_at(shop: Harness) -> None:
    shop.renderer.recovery = Recovery(on_lost="resubmit")
    shop.renderer.prices = (Price("second", {"*": 100}),)
    shop.mischief.scripts["content"] = ["missing"] * 8
    video_id = shop.ask()
    shop.run(until=lambda: shop.render(video_id).lost_jobs == 1)
    shop.renderer.reports = {"seconds": "12"}
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    assert len(shop.renderer.jobs_taken) == 2
    assert spent(shop, video_id) == 400 + 1_200
    shop.check()


def test_a_late_answer_of_another_renderer_is_claimed_where_it_was_asked(shop: Harness) -> None:
    other = shop.another()
    shop.renderer.capabilities = replace(CAPABILITIES, lists=False)
    shop.renderer.recovery = Recovery(on_unknown="resubmit")

    def went_on_to_the_next() -> None:
        shop.run(until=lambda: "render.resubmitted" in shop.types(video_id))
        shop.fleet.away.add(shop.renderer.name)
        shop.run(until=lambda: shop.render(video_id).phase is Phase.STORED)

    shop.mischief.hooks["on its way"] = went_on_to_the_next
    video_id = shop.ask()
    shop.run()
    (late,), (mine,) = shop.renderer.billed(video_id), other.billed(video_id)
    claims = [
        streams.job(each.name, each.credential, job.news.job_id) for each, job in ((shop.renderer, late), (other, mine))
    ]
    assert [len(shop.ledger.history(each)) for each in claims] == [1, 1]
    assert late.deleted
    assert spent(shop, video_id) == 2 * QUOTED
    shop.check()


def made_again(shop: Harness) -> str:
    """A render whose video its renderer made and lost, and that is made again: settled once, and booked again."""
    shop.renderer.recovery = Recovery(on_lost="resubmit")
    shop.mischief.scripts["content"] = ["missing"] * 8
    video_id = shop.ask()
    shop.run(until=lambda: shop.render(video_id).lost_jobs == 1)
    assert spent(shop, video_id) == 2 * QUOTED
    return video_id


def test_a_second_job_that_its_renderer_calls_failed_is_given_back_once(shop: Harness) -> None:
    video_id = made_again(shop)
    shop.mischief.scripts["status"] = ["fails"]
    shop.run()
    assert shop.render(video_id).phase is Phase.FAILED
    assert spent(shop, video_id) == QUOTED
    shop.check()


def test_what_is_deleted_before_its_second_job_was_asked_for_costs_the_first(shop: Harness) -> None:
    video_id = made_again(shop)
    shop.delete(video_id)
    shop.run()
    assert len(shop.renderer.jobs_taken) == 1
    assert spent(shop, video_id) == QUOTED


def test_a_second_job_that_is_deleted_while_it_is_made_counts_as_billed(shop: Harness) -> None:
    video_id = made_again(shop)
    shop.run(until=lambda: shop.render(video_id).phase is Phase.IN_PROGRESS)
    shop.delete(video_id)
    shop.run()
    assert spent(shop, video_id) == 2 * QUOTED


def test_a_video_that_is_lost_and_there_again_is_paid_once(shop: Harness) -> None:
    shop.renderer.recovery = Recovery(on_lost="hold")
    video_id = shop.ask()
    shop.run(until=lambda: shop.render(video_id).phase is Phase.QUEUED)
    shop.mischief.scripts["status"] = ["gone"] * 12
    shop.run(until=lambda: shop.render(video_id).phase is Phase.LOST)
    shop.mischief.scripts["status"].clear()
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    assert spent(shop, video_id) == QUOTED
    shop.check()

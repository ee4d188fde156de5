"""Going on to the next renderer of a route: only when it is certain that nothing was taken, and never dearer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bickford_sora.decisions.prices import LIST_PRICES
from bickford_sora.errors import RouteStopped
from ledger.events import RendererStopped, RenderRerouted
from ledger.render import Phase
from tests.trying import tries
from tests.workers.harness import Harness, harness

OUTCOMES = ["", "refuse", "busy", "lose request", "lose answer", "unreachable", "unauthorized", "not enabled"]
DEADLINE_S = 1_800.0
"""Of a render that waits for renderers that are all stopped. It is looked at every five seconds until then."""


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


@pytest.mark.parametrize("outcome", ["unreachable", "unauthorized", "not enabled"])
def test_what_was_certainly_not_taken_goes_to_the_next_renderer(shop: Harness, outcome: str) -> None:
    other = shop.another()
    shop.mischief.scripts["submit"] = [outcome]
    video_id = shop.ask()
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    assert (len(shop.renderer.billed()), len(other.billed(video_id))) == (0, 1)
    assert "render.rerouted" in shop.types(video_id)


@pytest.mark.parametrize("outcome", ["lose request", "lose answer"])
def test_after_an_unknown_outcome_nobody_else_is_asked(shop: Harness, outcome: str) -> None:
    other = shop.another()
    shop.mischief.scripts["submit"] = [outcome]
    video_id = shop.ask()
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    assert (len(shop.renderer.billed(video_id)), len(other.billed())) == (1, 0)


def test_a_renderer_that_is_only_busy_is_waited_for(shop: Harness) -> None:
    other = shop.another()
    shop.mischief.scripts["submit"] = ["busy"]
    video_id = shop.ask()
    shop.run()
    assert (len(shop.renderer.billed(video_id)), len(other.billed())) == (1, 0)


def test_the_next_one_is_never_dearer_than_what_was_allowed(shop: Harness) -> None:
    other = shop.another()
    other.prices = (replace(LIST_PRICES["sora-2"], micro_per_unit={"*": 999_000}),)
    shop.mischief.scripts["submit"] = ["unauthorized"]
    video_id = shop.ask()
    shop.run()
    assert (shop.render(video_id).phase, other.billed()) == (Phase.FAILED, [])


def test_a_renderer_that_refused_our_credential_is_not_asked_again_until_it_is_resumed(shop: Harness) -> None:
    shop.mischief.scripts["submit"] = ["unauthorized"]
    first = shop.ask()
    shop.run()
    assert shop.render(first).phase is Phase.FAILED
    with pytest.raises(RouteStopped):
        shop.ask("another kite")
    shop.stops.resume(shop.renderer.name, shop.renderer.credential)
    shop.clock.advance(2)
    second = shop.ask("a third kite")
    shop.run()
    assert shop.render(second).phase is Phase.STORED


def test_a_render_that_waits_for_a_stopped_renderer_goes_on_when_it_is_resumed(shop: Harness) -> None:
    waiting = shop.ask("a patient kite")
    shop.stops.stop(
        RendererStopped(renderer=shop.renderer.name, credential=shop.renderer.credential, code="renderer_unauthorized")
    )
    shop.run(run_s_max=timedelta(minutes=5).total_seconds())
    assert (shop.render(waiting).phase, shop.renderer.billed()) == (Phase.ALLOWED, [])
    shop.stops.resume(shop.renderer.name, shop.renderer.credential)
    shop.run()
    assert shop.render(waiting).phase is Phase.STORED


def test_what_was_accepted_under_a_name_that_is_put_right_is_asked_for_by_the_right_one(shop: Harness) -> None:
    shop.renderer.served_model = "sora-typo"
    waiting = [shop.ask(f"kite {number}") for number in range(3)]
    shop.renderer.served_model = "sora-2"
    shop.mischief.scripts["submit"] = ["not enabled"] * len(waiting)
    shop.run()
    assert [shop.render(each).phase for each in waiting] == [Phase.STORED] * len(waiting)
    assert [job.order.model for job in shop.renderer.billed()] == ["sora-2"] * len(waiting)
    assert not shop.stops.is_stopped(shop.renderer.name, shop.renderer.credential, "sora-2")
    shop.check()


def test_a_renderer_that_refuses_the_name_in_force_too_is_stopped(shop: Harness) -> None:
    shop.renderer.served_model = "sora-typo"
    video_id = shop.ask()
    shop.renderer.served_model = "sora-tpyo"
    shop.mischief.scripts["submit"] = ["not enabled"] * 2
    shop.run()
    assert shop.render(video_id).phase is Phase.FAILED
    assert shop.types(video_id).count("render.submission_started") == 2
    assert shop.stops.is_stopped(shop.renderer.name, shop.renderer.credential, "sora-2")
    shop.check()


def test_another_name_at_a_higher_price_is_not_asked_for(shop: Harness) -> None:
    shop.renderer.served_model = "sora-typo"
    video_id = shop.ask()
    shop.renderer.served_model = "sora-2"
    shop.renderer.prices = (replace(LIST_PRICES["sora-2"], micro_per_unit={"*": 999_000}),)
    shop.mischief.scripts["submit"] = ["not enabled"]
    shop.run()
    assert (shop.render(video_id).phase, shop.renderer.billed()) == (Phase.FAILED, [])


@settings(max_examples=tries(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.lists(st.sampled_from(OUTCOMES), max_size=4), second=st.lists(st.sampled_from(OUTCOMES), max_size=4))
def test_whatever_two_renderers_answer_there_is_one_paid_job_at_most(first: list[str], second: list[str]) -> None:
    with harness(render_deadline_s=DEADLINE_S) as shop:
        other = shop.another()
        shop.mischief.scripts["submit"] = list(first)
        other._mischief.scripts["submit"] = list(second)
        video_id = shop.ask()
        shop.run()
        paid = len(shop.renderer.billed(video_id)) + len(other.billed(video_id))
        assert shop.render(video_id).ended
        assert paid == (1 if shop.render(video_id).phase is Phase.STORED else 0)
        assert sum(isinstance(fact, RenderRerouted) for fact in shop.facts(video_id)) <= 1

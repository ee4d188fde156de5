"""What a render is settled at: the price it was allowed at, for what its renderer reports."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bickford_sora.decisions.catalogue import Price
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import QuotaExceeded, TryLater
from bickford_sora.renderers import wire
from ledger import events as e
from ledger import streams
from ledger.envelope import Fact
from ledger.render import Phase
from tests.ledger.spending import usd
from tests.workers.harness import CALLER, NOON, ORIGIN, Harness, Moment, harness

REPORTS_MORE = {"seconds": "12"}


@pytest.fixture
def shop() -> Iterator[Harness]:
    with harness() as made:
        yield made


def money(shop: Harness) -> list[Fact]:
    return [event.fact for event in shop.ledger.history(streams.spend(CALLER.tenant))]


def settled(shop: Harness, video_id: str) -> int:
    return sum(
        fact.cost.amount_micro
        for fact in money(shop)
        if isinstance(fact, e.SpendSettled) and fact.video_id == video_id and fact.cost
    )


def quoted(shop: Harness, video_id: str) -> e.Quote:
    allowed = shop.render(video_id).allowed
    assert allowed is not None
    assert allowed.quote is not None
    return allowed.quote


def cap(shop: Harness, micro: int) -> None:
    """Only this much in a month, for everybody."""
    fact = e.BudgetSet(budget_id="monthly", scope="tenant", window="month", cap=usd(micro))
    shop.shop.recording.on_spend(lambda spend, _: Draft(((spend.stream, fact),), {}), ORIGIN)


@pytest.mark.parametrize(
    ("price", "reports", "asked", "amounts"),
    [
        (Price("second", {"*": 100}), {}, {}, (400, 400)),
        (Price("second", {"*": 100}), {"seconds": "2"}, {}, (400, 200)),
        (Price("second", {"*": 100}), {"outputs": 3}, {"n": 4}, (1_600, 1_200)),
        (Price("output", {"*": 100}), {"outputs": 3}, {"n": 4}, (400, 300)),
        (Price("frame", {"*": 10}, frames_per_second=16), {"frames": 60}, {}, (640, 600)),
        (Price("renderer_second", {"*": 50}, p95_ms={"*": 90_000}), {"inference_s": 61.5}, {}, (4_500, 3_075)),
        (Price("renderer_second", {"*": 50}, p95_ms={"*": 90_000}), {}, {}, (4_500, 4_500)),
        (Price("second", {"*": 100}), {"cost_micro": 333}, {}, (400, 333)),
        (Price("second", {"*": 100}, currency="EUR"), {"cost_micro": 333}, {}, (400, 400)),
    ],
)
def test_what_the_renderer_reports_is_settled_and_the_rest_is_free_again(
    shop: Harness, price: Price, reports: dict[str, Any], asked: dict[str, Any], amounts: tuple[int, int]
) -> None:
    shop.renderer.prices, shop.renderer.reports = (price,), reports
    video_id = shop.ask(**asked)
    shop.run()
    assert shop.render(video_id).phase is Phase.STORED
    assert (quoted(shop, video_id).cost.amount_micro, settled(shop, video_id)) == amounts
    outputs = [asset for asset in shop.render(video_id).assets if asset.variant == "video"]
    assert len(outputs) == reports.get("outputs", asked.get("n", 1))
    shop.check()


def test_a_price_that_changes_while_a_render_is_made_does_not_change_what_it_costs(shop: Harness) -> None:
    shop.renderer.prices = (Price("second", {"*": 100}),)
    shop.renderer.reports = {"seconds": "3"}
    before = shop.ask()
    shop.run(until=lambda: shop.render(before).phase is Phase.QUEUED)
    shop.renderer.prices = (Price("output", {"*": 999_999}, currency="EUR"),)
    behind = shop.ask()
    shop.run()
    assert settled(shop, before) == 300
    assert settled(shop, behind) == 999_999


def test_a_price_holds_from_its_moment_on(shop: Harness) -> None:
    now = Price("second", {"*": 100})
    later = replace(now, micro_per_unit={"*": 700}, effective_from=NOON + timedelta(hours=1))
    shop.renderer.prices = (later, now)
    first = shop.ask()
    shop.clock.advance(2 * 3600.0)
    second = shop.ask()
    shop.run()
    assert [settled(shop, each) for each in (first, second)] == [400, 2_800]


def test_more_than_was_set_aside_is_recorded_in_full_and_closes_the_budget(shop: Harness) -> None:
    shop.renderer.prices = (Price("second", {"*": 100}),)
    shop.renderer.reports = REPORTS_MORE
    cap(shop, 1_000)
    video_id = shop.ask()
    shop.run()
    assert [fact.TYPE for fact in money(shop)] == [
        "budget.set",
        "spend.reserved",
        "spend.reserved",
        "spend.settled",
        "budget.overrun",
    ]
    assert money(shop)[-1] == e.BudgetOverrun(budget_id="monthly", excess=usd(200))
    assert settled(shop, video_id) == 1_200
    assert shop.render(video_id).phase is Phase.STORED, "who asked gets the video all the same"
    shop.check()
    with pytest.raises(QuotaExceeded, match="overrun"):
        shop.ask()


def test_a_renderer_that_charges_far_beyond_a_quote_gets_no_further_render_until_somebody_looked(shop: Harness) -> None:
    shop.renderer.prices = (Price("second", {"*": 100}),)
    shop.renderer.reports = {"seconds": "604800", "outputs": 100}
    first = shop.ask()
    shop.run()
    assert settled(shop, first) == 100 * 604_800 * 100, "its bill is settled as it is, and seen"
    (stopped,) = [event.fact for event in shop.ledger.history(streams.renderer(shop.renderer.name))]
    assert stopped == e.RendererStopped(
        renderer=shop.renderer.name, credential=shop.renderer.credential, model="sora-2", code="billed_beyond_quote"
    )
    with pytest.raises(TryLater) as refused:
        shop.ask()
    assert refused.value.code == "route_stopped"
    shop.stops.resume(shop.renderer.name, shop.renderer.credential)
    shop.renderer.reports = {"seconds": "40"}
    second = shop.ask()
    shop.run()
    assert settled(shop, second) == 10 * 400
    shop.check()
    shop.ask()  # ten times the quote, and not more


@pytest.mark.parametrize("reports", [{"seconds": "604800", "outputs": 100}, {"cost_micro": wire.COST_USD_MAX * 10**6}])
def test_a_charge_beyond_belief_is_settled_as_quoted_and_stops_the_renderer_too(
    shop: Harness, reports: dict[str, Any]
) -> None:
    shop.renderer.prices = (Price("second", {"*": 10**9}),)
    shop.renderer.reports = reports
    video_id = shop.ask()
    shop.run()
    assert settled(shop, video_id) == 4 * 10**9
    (stopped,) = [event.fact for event in shop.ledger.history(streams.renderer(shop.renderer.name))]
    assert isinstance(stopped, e.RendererStopped)
    shop.check()


def test_what_was_accepted_at_a_wrong_price_stops_nothing_once_that_is_put_right(shop: Harness) -> None:
    wrong, right = (Price("second", {"*": 1}),), (Price("second", {"*": 100}),)
    shop.renderer.prices, shop.renderer.reports = wrong, {"cost_micro": 400}
    first = shop.ask()
    shop.run(until=lambda: shop.render(first).phase is Phase.QUEUED)
    behind = shop.ask()
    shop.run(until=lambda: shop.render(first).phase is Phase.STORED)
    assert stops_on_record(shop) == 1
    shop.renderer.prices = right
    shop.stops.resume(shop.renderer.name, shop.renderer.credential)
    shop.run()
    assert [settled(shop, each) for each in (first, behind)] == [400, 400], "what was charged, whatever was quoted"
    shop.renderer.reports = {"cost_micro": 4_001}
    shop.ask()
    shop.run()
    assert stops_on_record(shop) == 2, "more than ten times the right price"
    shop.check()


def stops_on_record(shop: Harness) -> int:
    history = shop.ledger.history(streams.renderer(shop.renderer.name))
    return sum(isinstance(event.fact, e.RendererStopped) for event in history)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_no_charge_far_beyond_a_quote_is_recorded_without_its_stop(shop: Harness, moment: Moment) -> None:
    shop.renderer.prices = (Price("second", {"*": 100}),)
    shop.renderer.reports = {"seconds": "604800"}
    shop.mischief.kill_at = ("append:renderer.stopped", moment)
    video_id = shop.ask()
    shop.run()
    assert shop.mischief.kills == 1
    assert settled(shop, video_id) == 60_480_000
    assert len(shop.ledger.history(streams.renderer(shop.renderer.name))) == 1
    shop.check()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_report_is_settled_once_wherever_the_worker_dies(shop: Harness, moment: Moment) -> None:
    shop.renderer.prices = (Price("second", {"*": 100}),)
    shop.renderer.reports = REPORTS_MORE
    shop.mischief.kill_at = ("append:render.completed", moment)
    video_id = shop.ask()
    shop.run()
    assert shop.mischief.kills == 1
    assert settled(shop, video_id) == 1_200
    shop.check()


def test_the_renderer_that_made_it_in_the_end_is_paid_its_own_price(shop: Harness) -> None:
    other = shop.another()
    shop.renderer.prices, other.prices = (Price("second", {"*": 100}),), (Price("second", {"*": 60}),)
    shop.mischief.scripts["submit"] = ["unauthorized"]
    video_id = shop.ask()
    shop.run()
    assert quoted(shop, video_id).micro_per_unit == 60
    assert settled(shop, video_id) == 240
    shop.check()

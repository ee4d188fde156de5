from typing import Any

import pytest
from hypothesis import given as holds_for
from hypothesis import strategies as st

from bickford_sora.decisions import budgets, settlement
from bickford_sora.decisions.catalogue import Price
from bickford_sora.decisions.prices import ANY_SIZE, quote, up_to_ms
from bickford_sora.decisions.request import VideoRequest
from ledger import events as e
from ledger.envelope import Fact
from ledger.events import Quote, RenderIntent, Reported
from ledger.spend import Spend
from tests.decisions.given import ALLOWED, INTENT, NOON, QUEUED, STARTED, VIDEO_ID, applied, given
from tests.decisions.offered import PRICES_HASH, offer
from tests.decisions.test_budgets import after, wanted
from tests.ledger.spending import usd

ANY = {ANY_SIZE: 100}


def quoted(price: Price, **fields: Any) -> tuple[Quote, RenderIntent]:
    """What such a request is quoted at, and its intent: four seconds of 1280x720."""
    found = quote(
        VideoRequest("a cat", "sora-2", "4", "1280x720", fields=fields), offer(prices=(price,)), "c" * 64, NOON
    )
    assert found is not None
    return found, INTENT.model_copy(update={"fields": fields})


@pytest.mark.parametrize(
    ("price", "fields", "reported", "micro"),
    [
        (Price("second", ANY), {}, {}, 400),
        (Price("second", ANY), {}, {"duration_ms": 3_000}, 300),
        (Price("second", ANY), {}, {"duration_ms": 8_000}, 800),
        (Price("second", ANY), {}, {"duration_ms": 4_042}, 400),
        (Price("second", ANY), {"n": 4}, {"outputs": 3, "duration_ms": 4_000}, 1_200),
        (Price("second", ANY), {"num_frames": 96, "fps": 24}, {"duration_ms": 9_000}, 400),
        (Price("second", ANY), {"num_frames": 96, "fps": 24}, {"frames": 48}, 200),
        (Price("second", ANY), {"num_frames": 100, "fps": 24, "n": 2}, {"frames": 100}, 834),
        (Price("frame", ANY, frames_per_second=16), {}, {"frames": 65}, 6_500),
        (Price("frame", ANY, frames_per_second=16), {}, {"duration_ms": 2_000}, 3_200),
        (Price("frame", ANY), {"num_frames": 10, "n": 2}, {"outputs": 1}, 1_000),
        (Price("output", ANY), {"n": 4}, {"outputs": 3, "duration_ms": 9_000}, 300),
        (Price("image", ANY), {"n": 2}, {}, 200),
        (Price("renderer_second", ANY, p95_ms={ANY_SIZE: 90_000}), {}, {}, 9_000),
        (Price("renderer_second", ANY, p95_ms={ANY_SIZE: 90_000}), {}, {"inference_ms": 61_501}, 6_151),
        (Price("renderer_second", ANY, p95_ms={ANY_SIZE: 90_000}), {"n": 2}, {"outputs": 1}, 18_000),
        (Price("second", ANY), {}, {"inference_ms": 900_000}, 400),
        (Price("second", ANY), {}, {"cost": usd(123), "duration_ms": 1}, 123),
        (Price("second", ANY, currency="EUR"), {}, {"cost": usd(123)}, 400),
        (Price("frame", {ANY_SIZE: 10**8}, frames_per_second=1), {}, {"frames": 10**8}, 4 * 10**8),
    ],
)
def test_what_was_made_is_settled(price: Price, fields: dict[str, int], reported: dict[str, Any], micro: int) -> None:
    found, intent = quoted(price, **fields)
    due = settlement.due(found, intent, Reported(**reported))
    assert (due.amount_micro, due.currency) == (micro, price.currency)


@pytest.mark.parametrize(
    ("price_now", "reported", "is_beyond"),
    [
        (None, {"cost": usd(4_000)}, False),
        (None, {"cost": usd(4_001)}, True),
        (Price("second", {ANY_SIZE: 101}), {"cost": usd(4_001)}, False),
        (Price("second", {ANY_SIZE: 1}), {"cost": usd(4_000)}, False),
        (Price("second", {ANY_SIZE: 10**6}), {"duration_ms": 40_001}, True),
        (Price("second", ANY, currency="EUR"), {"cost": usd(4_001)}, False),
    ],
)
def test_a_charge_is_beyond_what_was_quoted_and_what_would_be_now(
    price_now: Price | None, reported: dict[str, Any], is_beyond: bool
) -> None:
    found, intent = quoted(Price("second", ANY))
    now = None if price_now is None else quoted(price_now)[0]
    assert settlement.is_beyond(found, now, intent, Reported(**reported), factor=10) is is_beyond


def test_what_is_said_of_the_length_of_an_extension_is_not_looked_at() -> None:
    found, intent = quoted(Price("second", ANY))
    extension = intent.model_copy(update={"operation": "extend"})
    assert settlement.due(found, extension, Reported(duration_ms=12_000)) == found.cost


def test_a_quote_of_before_units_were_recorded_is_settled_as_it_was() -> None:
    old = Quote(cost=usd(400), prices_hash=PRICES_HASH)
    reported = Reported(duration_ms=1_000, outputs=9, frames=3, inference_ms=7)
    assert settlement.due(old, INTENT, reported) == usd(400)


@holds_for(
    st.builds(
        Reported,
        duration_ms=st.none() | st.integers(1, 10**8),
        frames=st.none() | st.integers(1, 10**6),
        outputs=st.none() | st.integers(1, 100),
        inference_ms=st.none() | st.integers(0, 10**9),
    ),
    st.sampled_from(["second", "image", "frame", "output", "renderer_second"]),
    st.fixed_dictionaries({}, optional={"n": st.integers(1, 4), "num_frames": st.integers(1, 500)}),
)
def test_whatever_is_reported_the_books_can_take_it(reported: Reported, unit: Any, fields: dict[str, int]) -> None:
    price = Price(unit, ANY, frames_per_second=24, p95_ms={ANY_SIZE: 60_000})
    found, intent = quoted(price, **fields)
    completed = e.RenderCompleted(reported=reported)
    before = given(intent, ALLOWED.model_copy(update={"quote": found}), STARTED, QUEUED)
    aside = wanted(micro=found.cost.amount_micro).model_copy(update={"video_id": VIDEO_ID})
    spend: Spend = after(aside)
    facts = budgets.consequences(before, applied(before, [completed]), (completed,), spend)
    due = settlement.due(found, intent, reported)
    assert _settled(facts) == due
    after(aside, *facts)
    assert due.amount_micro >= 0


def _settled(facts: list[Fact]) -> e.Money | None:
    return next(fact.cost for fact in facts if isinstance(fact, e.SpendSettled))


@pytest.mark.parametrize(("seconds", "ms"), [(2.0, 2_000), (0.0001, 1), (61.5004, 61_501), (4.1, 4_100), (0, 0)])
def test_time_is_whole_milliseconds_and_never_too_little(seconds: float, ms: int) -> None:
    assert up_to_ms(seconds) == ms

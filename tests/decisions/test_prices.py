from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.catalogue import Price
from bickford_sora.decisions.prices import ANY_SIZE, LIST_PRICES, cost, quote
from bickford_sora.decisions.request import VideoRequest
from ledger.events import Quote
from tests.decisions.given import NOON
from tests.decisions.offered import PRICES_HASH, offer


def quoted(price: Price | None, *, size: str = "1280x720", seconds: str = "4", **fields: Any) -> Quote | None:
    made_by = offer(prices=() if price is None else (price,))
    return quote(VideoRequest("a cat", "sora-2", seconds, size, fields=fields), made_by, PRICES_HASH, NOON)


@pytest.mark.parametrize(
    ("model", "size", "micro"),
    [
        ("sora-2", "1280x720", 400_000),
        ("sora-2-pro", "1280x720", 1_200_000),
        ("sora-2-pro", "1792x1024", 2_000_000),
    ],
)
def test_list_prices(model: str, size: str, micro: int) -> None:
    found = quoted(LIST_PRICES[model], size=size)
    assert found is not None
    assert (found.cost.amount_micro, found.unit, found.quantity_milli) == (micro, "second", 4_000)
    assert found.prices_hash == PRICES_HASH


@pytest.mark.parametrize(
    ("price", "fields", "micro", "milli"),
    [
        (Price("second", {ANY_SIZE: 100}), {}, 400, 4_000),
        (Price("second", {ANY_SIZE: 100}), {"n": 2}, 800, 8_000),
        (Price("second", {ANY_SIZE: 100}), {"num_frames": 50, "fps": 24}, 209, 2_084),
        (Price("second", {ANY_SIZE: 100}), {"fps": 24}, 400, 4_000),
        (Price("second", {ANY_SIZE: 100}, frames_per_second=16), {"num_frames": 32}, 200, 2_000),
        (Price("frame", {ANY_SIZE: 3}), {"num_frames": 81}, 243, 81_000),
        (Price("frame", {ANY_SIZE: 3}), {"fps": 16}, 192, 64_000),
        (Price("frame", {ANY_SIZE: 3}, frames_per_second=24), {"n": 2}, 576, 192_000),
        (Price("output", {ANY_SIZE: 1_000}), {}, 1_000, 1_000),
        (Price("output", {ANY_SIZE: 1_000}), {"n": 3, "num_frames": 500}, 3_000, 3_000),
    ],
)
def test_frames_and_outputs_count_before_seconds(price: Price, fields: dict[str, int], micro: int, milli: int) -> None:
    found = quoted(price, **fields)
    assert found is not None
    assert (found.cost.amount_micro, found.quantity_milli, found.unit) == (micro, milli, price.unit)


def test_what_cannot_be_counted_beforehand_has_no_quote() -> None:
    assert quoted(None) is None
    assert quoted(Price("frame", {ANY_SIZE: 3})) is None
    assert quoted(Price("second", {ANY_SIZE: 3}), num_frames=81) is None
    assert quoted(Price("second", {"480p": 3})) is None


@pytest.mark.parametrize(
    ("size", "micro"), [("832x480", 1), ("1280x720", 2), ("960x960", 2), ("1920x1080", 4), ("4096x4096", 9)]
)
def test_a_frame_is_priced_by_the_smallest_tier_that_holds_it(size: str, micro: int) -> None:
    found = quoted(Price("output", {"1080p": 4, "480p": 1, "720p": 2, ANY_SIZE: 9}), size=size)
    assert found is not None
    assert found.cost.amount_micro == micro


@given(st.integers(0, 10**12), st.integers(0, 10**9))
def test_money_is_whole_micro_units_and_never_too_little(micro: int, milli: int) -> None:
    assert 0 <= cost(micro, milli) * 1000 - micro * milli < 1000

"""How many workers may wait for one renderer."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.workers.shares import Shares
from projections.leases import Room, Rooms


@pytest.mark.parametrize(
    ("held", "left"),
    [({}, 4), ({"slow": 3}, 1), ({"slow": 4}, 0), ({"slow": 2, "too": 2}, 1), ({"slow": 3, "too": 2}, 0)],
    ids=["none", "three", "half", "two each", "three and two"],
)
def test_who_is_slow_leaves_workers_to_the_others(held: dict[str | None, int], left: int) -> None:
    assert Shares(8, held, {"slow", "too"}).left("slow") == left


def test_nobody_has_the_last_worker_but_who_is_alone() -> None:
    assert Shares(8, {"one": 6}, ()).left("one") == 1
    assert Shares(8, {"one": 7}, ()).left("one") == 0
    assert Shares(8, {"one": 7}, ()).left("other") == 1
    assert Shares(8, {"one": 7}, {"one"}, alone=True).left("one") == 1
    assert Shares(1, {}, {"one"}).left("one") == 1


def test_no_more_submissions_are_claimed_than_may_begin() -> None:
    rooms = Rooms(rooms=[Room(renderer="slow"), Room(renderer="fast", submissions_max=2)], weights={"main/a": 3})
    narrowed = Shares(8, {"slow": 3}, {"slow"}).narrowed(rooms)
    assert {room.renderer: room.submissions_max for room in narrowed.rooms} == {"slow": 1, "fast": 2}
    assert narrowed.weights == rooms.weights
    assert Shares(8, {"slow": 3}, {"slow"}, alone=True).narrowed(rooms) == rooms


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40), st.sets(st.sampled_from(["a", "b", "c"])))
def test_whatever_comes_one_that_holds_nothing_can_begin(coming: list[str | None], slow: set[str]) -> None:
    held: Counter[str | None] = Counter()
    shares = Shares(8, held, slow | {"a", "b"})
    for each in coming:
        if each in {"a", "b"} and shares.left(each):
            shares.take(each)
    assert shares.left("d") > 0

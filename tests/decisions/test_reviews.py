"""Reviews: what their grades come to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.reviews import REVIEW_MINUTES_MAX, Judgement, read, score
from ledger.events import ReviewWeights

grades = st.floats(0, 1)
minutes = st.floats(0, REVIEW_MINUTES_MAX)


def judged(clarity: float, continuity: float, brand_fit: float, review_time_minutes: float) -> Judgement:
    return Judgement(
        verdict="approved",
        clarity=clarity,
        continuity=continuity,
        brand_fit=brand_fit,
        review_time_minutes=review_time_minutes,
    )


@pytest.mark.parametrize(
    ("grades_and_minutes", "expected"),
    [
        ((1, 1, 1, 0), 0.9),
        ((1, 1, 1, 1), 0.8),
        ((0.9, 0.85, 1.0, 0.7), 0.755),
        ((0.5, 0.5, 0.5, 4.5), 0.0),
        ((0.5, 0.5, 0.5, 5), 0.0),
        ((0, 0, 0, 0), 0.0),
        ((1, 0, 0, 0), 0.3),
        ((0.005, 0, 0, 0), 0.002),  # 0.0015, which no float is
        ((1, 1, 1, 1 / 3), 0.867),  # 20 seconds
        ((1, 1, 1, 0.001), 0.9),  # less than half a second
    ],
)
def test_a_score_is_the_weighted_sum_to_three_decimals(grades_and_minutes: Any, expected: float) -> None:
    assert score(judged(*grades_and_minutes), ReviewWeights()) == expected


def test_what_counts_can_be_chosen() -> None:
    weights = ReviewWeights(clarity=10, continuity=0, brand_fit=1, minute=-2)
    assert score(judged(1, 1, 0.25, 0.5), weights) == 9.25


@given(grades, grades, grades, minutes)
def test_a_score_is_never_below_0_nor_above_what_perfection_has(
    clarity: float, continuity: float, brand_fit: float, took: float
) -> None:
    found = score(judged(clarity, continuity, brand_fit, took), ReviewWeights())
    assert 0 <= found <= 0.9
    assert found == round(found, 3)


def test_notes_are_not_shown() -> None:
    said = read({**judged(1, 1, 1, 1).model_dump(), "notes": "secret"})
    assert "secret" not in repr(said)

"""Advice on prompts: it is given where it helps, and never decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.rules.advice import PARTS, advice
from tests.decisions.rules.seeing import PROMPT, outcome

GOOD = [
    PROMPT,
    "Close-up of a steaming coffee cup on a wooden table, morning light through blinds, soft depth of field.",
]
"""The two examples of the hosted API's guide."""


@pytest.mark.parametrize("prompt", GOOD)
def test_a_prompt_that_names_every_part_is_left_alone(prompt: str) -> None:
    assert dict(advice(prompt)) == {}


@pytest.mark.parametrize(
    ("prompt", "missing"),
    [
        ("A child flying a red kite in a grassy park, golden hour sunlight", "shot"),
        ("Wide shot, flying through clouds at sunset, golden light over the horizon, slow pan", "subject"),
        ("Wide shot of a child with a red kite in a park, golden hour sunlight", "action"),
        ("Wide shot of a child flying a kite, golden hour sunlight, camera slowly pans upward", "setting"),
        ("Wide shot of a child flying a red kite in a grassy park, camera slowly pans upward", "light"),
    ],
)
def test_a_part_that_is_missing_is_named(prompt: str, missing: str) -> None:
    assert f"advice.{missing}" in dict(advice(prompt))


def test_a_short_prompt_is_told_so() -> None:
    assert "advice.short" in dict(advice("A kite"))


@given(st.text(max_size=200))
def test_advice_never_changes_what_happens(prompt: str) -> None:
    for effect in ("allow", "deny"):
        rules = f"rules: [{{id: it, effect: {effect}}}]"
        assert outcome(f"{rules}\nadvice: true", prompt=prompt).effect == outcome(rules, prompt=prompt).effect


def test_advice_is_given_only_when_asked_for_and_only_for_creates() -> None:
    assert outcome("advice: false", prompt="A kite").warnings == ()
    assert outcome("advice: true", prompt="A kite", operation="remix").warnings == ()
    names = {each.rule for each in outcome("advice: true", prompt="Kite").warnings}
    assert names == {"advice.short", *(f"advice.{part}" for part in PARTS)}

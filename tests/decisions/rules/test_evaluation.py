"""The strongest effect wins, whatever the order of the rules; every rule that matched is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.rules.checks import STRENGTH
from bickford_sora.decisions.rules.evaluation import DEFAULT, evaluate
from tests.decisions.rules.seeing import outcome, policy, rule, seen

EFFECTS = st.sampled_from(sorted(STRENGTH))
MATCHING, OTHER = "{models: [sora-2]}", "{models: [other]}"


@st.composite
def rules(draw: st.DrawFn) -> list[tuple[str, str, bool]]:
    """Rules as id, effect and whether they match an ordinary render."""
    drawn = draw(st.lists(st.tuples(EFFECTS, st.booleans()), max_size=8))
    return [(f"rule-{number}", effect, matches) for number, (effect, matches) in enumerate(drawn)]


def written(each: list[tuple[str, str, bool]]) -> str:
    """The rules in a file. Each has a condition of its own, so that none contradicts another."""
    entries = (
        f"{{id: {name}, effect: {effect}, when: {{models: [{'sora-2' if matches else 'other'}, {name}]}}}}"
        for name, effect, matches in each
    )
    return f"rules: [{', '.join(entries)}]"


@given(rules(), st.sampled_from(["allow", "deny"]))
def test_the_strongest_effect_that_matches_decides(each: list[tuple[str, str, bool]], default: str) -> None:
    found = evaluate(policy(written(each), default=default), seen())
    matching = [(name, effect) for name, effect, matches in each if matches]
    effects = {effect for _, effect in matching}
    if effects & {"deny", "require_approval"}:
        assert found.effect == max(effects, key=STRENGTH.__getitem__)
    elif default == "deny" and "allow" not in effects:
        assert (found.effect, found.decided_by) == ("deny", DEFAULT)
    else:
        assert found.effect == ("warn" if "warn" in effects else "allow")
    assert found.rules == tuple(name for name, _ in matching)
    assert [each.rule for each in found.warnings] == [name for name, effect in matching if effect == "warn"]


@given(rules(), st.randoms(use_true_random=False))
def test_the_order_of_rules_changes_nothing_but_the_order_of_names(
    each: list[tuple[str, str, bool]], dice: object
) -> None:
    shuffled = [*each]
    dice.shuffle(shuffled)  # type: ignore[attr-defined] # a random.Random
    first, second = (evaluate(policy(written(order)), seen()) for order in (each, shuffled))
    assert first.effect == second.effect
    assert set(first.rules) == set(second.rules)


def test_a_warning_does_not_grant_what_the_default_denies() -> None:
    found = evaluate(policy(f"rules: [{{id: it, effect: warn, when: {MATCHING}}}]", default="deny"), seen())
    assert (found.effect, found.decided_by, found.rules) == ("deny", DEFAULT, ("it",))
    assert found.message is not None
    assert "its default is to deny" in found.message


def test_a_rule_without_conditions_holds_for_every_render() -> None:
    assert evaluate(rule("{}"), seen()).effect == "deny"


def test_a_rule_that_does_not_match_is_not_named() -> None:
    assert evaluate(rule(OTHER), seen()).rules == ()


@pytest.mark.parametrize(
    ("written", "on_hold"), [("", "wait"), (", on_hold: wait", "wait"), (", on_hold: refuse", "refuse")]
)
def test_a_held_render_waits_unless_the_rule_says_refuse(written: str, on_hold: str) -> None:
    found = outcome(f"rules: [{{id: it, effect: require_approval{written}}}]")
    assert (found.effect, found.on_hold) == ("require_approval", on_hold)


def test_a_denial_goes_before_a_hold_and_nothing_is_held() -> None:
    found = outcome(
        "rules: [{id: hold, effect: require_approval}, {id: no-long, effect: deny, when: {seconds_min: 1}}]"
    )
    assert (found.effect, found.decided_by, found.on_hold) == ("deny", "no-long", None)


def test_a_client_is_told_the_rule_and_the_words_of_its_author() -> None:
    found = outcome("rules: [{id: no-pro, effect: deny, message: Use sora-2.}]")
    assert found.message == "Rule no-pro of the policy denies this render. Use sora-2."


def test_without_words_of_its_author_a_client_is_told_what_the_rule_looks_at() -> None:
    found = outcome("rules: [{id: it, effect: deny, when: {seconds_min: 8, models: [sora-2]}}]")
    assert found.message is not None
    assert "seconds, the model: change that" in found.message


def test_a_rule_about_who_asks_sends_to_whoever_answers_for_the_policy() -> None:
    found = outcome("rules: [{id: it, effect: deny, when: {projects: [default]}}]")
    assert found.message == "Rule it of the policy denies this render. Ask whoever answers for the policy."

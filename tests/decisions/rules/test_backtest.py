"""What another policy would have made of what was asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.rules import backtest
from bickford_sora.decisions.rules.backtest import FATES, Fate, Flipped, Recorded, Tally, compare
from bickford_sora.decisions.rules.evaluation import evaluate
from tests.decisions.rules.seeing import policy, seen

RULES = policy(
    "rules:\n- {id: no-pro, effect: deny, when: {models: [sora-2-pro]}}\n"
    "- {id: long, effect: require_approval, when: {seconds_min: 12}}"
)


def recorded(number: int = 0, *, was: Fate = "allowed", by_budget: bool = False, **changes: object) -> Recorded:
    return Recorded(
        video_id=f"video_{number}",
        seen=seen(**changes),
        was=was,
        was_by="old",
        was_cost_micro=700_000,
        was_currency="USD",
        currency="USD",
        by_budget=by_budget,
    )


def test_a_flip_names_both_rules() -> None:
    report = compare(RULES, [recorded(1, model="sora-2-pro"), recorded(2)])
    assert report.policy_hash == RULES.hash
    assert report.flips == {("allowed", "denied"): 1}
    assert report.flipped == [
        Flipped("video_1", seen().at.isoformat(), "req-1", "sora-2-pro", "allowed", "old", "denied", "no-pro", 800_000)
    ]
    assert set(report.by_rule) == {"no-pro", "policy.default"}
    assert report.by_model["sora-2-pro"].would_be == {"denied": 1}


def test_cost_counts_where_a_render_is_allowed_by_currency() -> None:
    report = compare(RULES, [recorded(), recorded(seconds=12), recorded(was="denied"), recorded(cost_micro=None)])
    assert report.total.was_cost_micro == {"USD": 3 * 700_000}
    assert report.total.would_cost_micro == {"USD": 2 * 800_000}


def test_what_a_budget_refused_stays_refused() -> None:
    report = compare(RULES, [recorded(was="denied", by_budget=True), recorded(was="denied", by_budget=False)])
    assert report.flips == {("denied", "allowed"): 1}


@given(
    st.lists(
        st.builds(
            recorded,
            st.integers(0, 9),
            was=st.sampled_from(FATES),
            by_budget=st.booleans(),
            model=st.sampled_from(["sora-2", "sora-2-pro"]),
            seconds=st.sampled_from([4, 12]),
            requester=st.sampled_from(["a", "b"]),
        )
    )
)
def test_every_breakdown_sums_to_the_total(asked: list[Recorded]) -> None:
    report = compare(RULES, asked)
    for tallies in (report.by_rule, report.by_requester, report.by_model):
        summed = Tally()
        for tally in tallies.values():
            summed.intents += tally.intents
            for name in ("was", "would_be", "was_cost_micro", "would_cost_micro"):
                getattr(summed, name).update(getattr(tally, name))
        assert summed == report.total
    assert report.total.intents == len(asked)
    assert sum(report.flips.values()) == len(report.flipped)
    assert all(each.was != each.would_be for each in report.flipped)


def test_it_is_the_evaluation_that_decides_renders() -> None:
    each = recorded(seconds=12)
    report = compare(RULES, [each])
    assert list(report.by_rule) == [evaluate(RULES, each.seen).decided_by]


def test_flips_are_listed_up_to_a_number_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "FLIPPED_MAX", 2)
    report = compare(RULES, [recorded(number, seconds=12) for number in range(5)])
    assert (len(report.flipped), report.flips) == (2, {("allowed", "held"): 5})

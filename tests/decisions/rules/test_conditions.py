"""Each condition, where it holds and where it does not; all of a rule must hold, and any entry of a list does."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.rules.conditions import CHANGEABLE, WhenEntry
from bickford_sora.decisions.rules.evaluation import evaluate
from tests.decisions.rules.seeing import holds, policy, seen

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("{operations: [remix, edit]}", {"operation": "remix"}, {"operation": "create"}),
    ("{models: [sora-2, other]}", {"model": "other"}, {"model": "sora-2-pro"}),
    ("{sizes: [1280x720]}", {"size": "1280x720"}, {"size": "720x1280"}),
    ("{seconds_min: 8}", {"seconds": 8}, {"seconds": 7}),
    ("{seconds_max: 8}", {"seconds": 8}, {"seconds": 9}),
    ("{seconds_min: 4, seconds_max: 4}", {"seconds": 4}, {"seconds": 5}),
    ("{fields: {seed: any}}", {"fields": {"seed": 0}}, {"fields": {"steps": 1}}),
    ("{fields: {n: [2, 3]}}", {"fields": {"n": 3}}, {"fields": {"n": 1}}),
    ("{fields: {n: [2], seed: any}}", {"fields": {"n": 2, "seed": 1}}, {"fields": {"n": 2}}),
    ("{fields: {generate_audio: [true]}}", {"fields": {"generate_audio": True}}, {"fields": {"generate_audio": False}}),
    ("{fields: {n: [1]}}", {"fields": {"n": 1}}, {"fields": {"n": True}}),
    ("{purposes: [final]}", {"purpose": "final"}, {"purpose": "draft"}),
    ("{purposes: [draft]}", {"purpose": "draft"}, {"purpose": None}),
    ("{cost_micro_min: 500000}", {"cost_micro": 500_000}, {"cost_micro": 499_999}),
    ("{requesters: [req-1]}", {"requester": "req-1"}, {"requester": "req-2"}),
    ("{projects: [films]}", {"project": "films"}, {"project": "default"}),
    ("{tags: [launch, sale]}", {"tags": frozenset({"sale", "x"})}, {"tags": frozenset({"x"})}),
    ("{prompt: '(?i)dragon'}", {"prompt": "A DRAGON flies"}, {"prompt": "A kite"}),
    ("{has_reference: true}", {"has_reference": True}, {"has_reference": False}),
    ("{has_reference: false}", {"has_reference": False}, {"has_reference": True}),
    ("{remix_depth_min: 2}", {"operation": "remix", "remix_depth": 2}, {"operation": "remix", "remix_depth": 1}),
    ("{has_approved_draft: false}", {"lineage_has_approved_draft": False}, {"lineage_has_approved_draft": True}),
    ("{hours: 9-17}", {"at": datetime(2026, 1, 1, 9, tzinfo=UTC)}, {"at": datetime(2026, 1, 1, 17, tzinfo=UTC)}),
    ("{cel: 'seconds > 7'}", {"seconds": 8}, {"seconds": 7}),
]


@pytest.mark.parametrize(("when", "where", "where_not"), CASES, ids=[case[0] for case in CASES])
def test_it_holds_where_it_says_and_nowhere_else(when: str, where: dict[str, Any], where_not: dict[str, Any]) -> None:
    assert holds(when, seen(**where))
    assert not holds(when, seen(**where_not))


def test_every_condition_has_a_case() -> None:
    tried = {name for name in WhenEntry.model_fields for case in CASES if f"{name}:" in case[0]}
    assert tried == set(WhenEntry.model_fields)


def test_what_a_client_may_change_is_said_of_every_condition_but_those_about_who_asks() -> None:
    assert set(WhenEntry.model_fields) - set(CHANGEABLE) == {"requesters", "projects", "cel"}


@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=6, unique_by=lambda case: case[0][1:].partition(":")[0]))
def test_all_conditions_of_a_rule_must_hold(cases: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
    render = seen()
    for _, where, _ in cases:
        render = seen(**{**_changed(render), **where})
    alone = [holds(when, render) for when, _, _ in cases]
    joined = "{" + ", ".join(when[1:-1] for when, _, _ in cases) + "}"
    try:
        together = holds(joined, render)
    except ValueError as refused:  # conditions that can never hold together are refused
        assert "never holds" in str(refused) or "is there twice" in str(refused)  # noqa: PT017 - only if it is refused
    else:
        assert together == all(alone)


def _changed(render: Any) -> dict[str, Any]:
    return {name: getattr(render, name) for name in type(render).__dataclass_fields__}


@given(
    st.integers(0, 23),
    st.integers(0, 24),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)),  # noqa: DTZ001 - the strategy wants it without
)
def test_hours_go_from_the_first_to_before_the_second_over_midnight(first: int, end: int, at: datetime) -> None:
    if (end - first) % 24 == 0:
        with pytest.raises(ValueError, match="whole day or nothing"):
            holds(f"{{hours: {first}-{end}}}", seen())
        return
    hour = at.hour
    within = first <= hour < end if first < end else hour >= first or hour < end
    assert holds(f"{{hours: {first}-{end}}}", seen(at=at)) == within


def test_hours_are_those_of_the_policys_time_zone() -> None:
    berlin = policy("time_zone: Europe/Berlin\nrules: [{id: it, effect: deny, when: {hours: 22-6}}]")
    assert evaluate(berlin, seen(at=datetime(2026, 7, 1, 20, tzinfo=UTC))).rules == ("it",)
    assert evaluate(berlin, seen(at=datetime(2026, 12, 1, 20, tzinfo=UTC))).rules == ()


@pytest.mark.parametrize("effect", ["deny", "require_approval", "warn"])
def test_an_unknown_cost_counts_as_too_much(effect: str) -> None:
    assert holds("{cost_micro_min: 1}", seen(cost_micro=None), effect)


def test_an_unknown_cost_allows_nothing() -> None:
    assert not holds("{cost_micro_min: 1}", seen(cost_micro=None), "allow")


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time() -> None:
    assert not holds("{prompt: '^(a+)+$'}", seen(prompt="a" * 30_000 + "b"))

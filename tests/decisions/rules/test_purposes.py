"""Drafts and finals: what is chosen, how often; how far remixes go."""

from typing import Any

import pytest

from tests.decisions.rules.seeing import outcome, policy

DRAFTS = "purposes: {draft: {model: sora-2, seconds: 4, renders_per_hour_max: 3, interval_s_min: 60}}"


def test_a_purpose_chooses_what_the_policy_says_and_nothing_without_one() -> None:
    purposes = policy(f"{DRAFTS[:-1]}, final: {{model: sora-2-pro, size: 1792x1024}}}}").document.purposes
    assert (purposes.of("draft").model, purposes.of("draft").size, purposes.of("draft").seconds) == ("sora-2", None, 4)
    assert (purposes.of("final").model, purposes.of("final").size) == ("sora-2-pro", "1792x1024")
    assert purposes.of(None).model is None


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"renders_in_last_hour": 2}, None),
        ({"renders_in_last_hour": 3}, "purposes.draft.renders_per_hour_max"),
        ({"renders_in_last_hour": 3, "purpose": "final"}, None),
        ({"renders_in_last_hour": 3, "purpose": None}, None),
        ({"seconds_since_last_render": 59}, "purposes.draft.interval_s_min"),
        ({"seconds_since_last_render": 60}, None),
        ({"seconds_since_last_render": None}, None),
        ({"seconds_since_last_render": 1, "purpose": "final"}, None),
    ],
)
def test_cadence_denies_what_comes_too_often_or_too_soon(changes: dict[str, Any], rule: str | None) -> None:
    found = outcome(DRAFTS, **{"purpose": "draft", **changes})
    assert found.effect == ("allow" if rule is None else "deny")
    assert found.rules == (() if rule is None else (rule,))


REMIXES = "remixes: {depth_max: 2, changes_max: 1}"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"remix_depth": 2}, None),
        ({"remix_depth": 3}, "remixes.depth_max"),
        ({"changes": 1}, None),
        ({"changes": 2}, "remixes.changes_max"),
        ({"operation": "edit", "remix_depth": 3, "changes": 5}, None),
    ],
)
def test_a_remix_goes_so_deep_and_changes_so_much(changes: dict[str, Any], rule: str | None) -> None:
    found = outcome(REMIXES, **{"operation": "remix", **changes})
    assert found.effect == ("allow" if rule is None else "deny")
    assert found.rules == (() if rule is None else (rule,))

"""Conditions in CEL."""

import sys

import pytest

from bickford_sora.decisions.rules.reading import PolicyInvalid
from tests.decisions.rules.seeing import holds, rule, seen


@pytest.mark.parametrize(
    "expression",
    [
        "operation == 'create' && model == 'sora-2' && size == '1280x720' && seconds == 8",
        "cost_micro == 800000 && project == 'default' && requester == 'req-1' && key_id == 'key-1'",
        "hour == 12 && purpose == '' && prompt.contains('kite') && prompt.matches('k.te')",
        "!('launch' in tags) && !('seed' in fields) && attestations.size() == 0 && moderation.size() == 0",
        "!has_reference && !lineage_has_approved_draft && remix_depth == 0 && changes == 0",
        "renders_in_last_hour == 0 && seconds_since_last_render == null",
    ],
)
def test_an_expression_sees_everything_a_policy_sees(expression: str) -> None:
    assert holds(f'{{cel: "{expression}"}}', seen())
    assert not holds(f'{{cel: "!({expression})"}}', seen())


@pytest.mark.parametrize("expression", ["1 / (seconds - 8) > 1", "fields.steps > 3", "prompt.matches('(?=a)')"])
def test_what_cannot_be_told_holds_unless_the_rule_allows(expression: str) -> None:
    assert holds(f'{{cel: "{expression}"}}', seen(), "deny")
    assert not holds(f'{{cel: "{expression}"}}', seen(), "allow")


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("seconds >", "not a CEL expression: 1:"),
        ("nope > 1", "undeclared reference to 'nope'"),
        ("seconds", "must be true or false"),
    ],
)
def test_a_wrong_expression_is_refused_when_the_policy_is_read(expression: str, reason: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        rule(f'{{cel: "{expression}"}}')
    assert refused.value.line == 3
    assert reason in refused.value.reason


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python.cel", None)
    with pytest.raises(PolicyInvalid) as refused:
        rule("{cel: 'seconds > 1'}")
    assert refused.value.line == 3
    assert "pip install 'bickford-sora[cel]'" in refused.value.reason

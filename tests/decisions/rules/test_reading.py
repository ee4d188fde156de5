"""A policy file that is wrong is refused with line and reason, whatever is wrong with it."""

import hashlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.rules.document import PATTERNS_MAX
from bickford_sora.decisions.rules.reading import POLICY_BYTES_MAX, PROBLEMS_MAX, PolicyInvalid, read_policy

HEAD = "version: 1\ndefault: allow\n"


def refused(text: str | bytes, **how: object) -> PolicyInvalid:
    """What is said of a file that cannot be used."""
    with pytest.raises(PolicyInvalid) as found:
        read_policy(text if isinstance(text, bytes) else text.encode(), **how)  # type: ignore[arg-type] # models
    return found.value


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"", None, "the file is empty"),
        (b"# nothing", None, "the file is empty"),
        (b"\xff\xfe", None, "not UTF-8"),
        ("version: [", 1, "not YAML: "),
        ("version: 1\n\tdefault: allow", 2, "not YAML: "),
        ("a\0b", None, "not YAML: "),
        ("version: 1\n---\nversion: 1", 2, "not YAML: "),
        ("version: !!python/object/apply:os.system [ls]", 1, "not YAML: "),
        ("? [a, b]\n: c", 1, "a key is text"),
        (f"{HEAD}x: 2026-99-99", None, "has a value that cannot be read"),
        ("just text", 1, "should be a valid dictionary"),
        ("version: 1", 1, "default is missing"),
        ("version: 2\ndefault: allow", 1, "less than or equal to 1"),
        ("version: 1\ndefault: maybe", 2, "should be 'allow' or 'deny'"),
        (f"{HEAD}version: 1", 3, "'version' is there twice"),
        (f"{HEAD}nonsense: 1", 3, "there is no such key"),
        (f"{HEAD}time_zone: Mars/Base", 3, "there is no time zone 'Mars/Base'"),
        (f"{HEAD}time_zone: ../../etc/passwd", 3, "there is no time zone"),
        (f"{HEAD}1: x", 3, "a key is text"),
        (f"{HEAD}<<: {{rules: []}}", 3, "a key is text"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_with_its_line(text: str | bytes, line: int | None, reason: str) -> None:
    found = refused(text)
    assert reason in found.reason
    assert found.line == line


RULES = f"{HEAD}rules:\n"


@pytest.mark.parametrize(
    ("rules", "line", "reason"),
    [
        ("- {effect: deny}", 4, "id is missing"),
        ("- {id: it}", 4, "effect is missing"),
        ("- {id: It, effect: deny}", 4, "should match pattern"),
        ("- {id: policy.default, effect: deny}", 4, "should match pattern"),
        ("- {id: it, effect: forbid}", 4, "should be 'deny'"),
        ("- id: it\n  effect: deny\n  wen: {}", 6, "there is no such key"),
        ("- id: it\n  effect: deny\n  on_hold: wait", 4, "on_hold belongs to require_approval alone"),
        ("- id: it\n  effect: deny\n  when:\n    models: []", 7, "the list is empty"),
        ("- id: it\n  effect: deny\n  when:\n    models: sora-2", 7, "should be a valid tuple"),
        ("- id: it\n  effect: deny\n  when:\n    sizes: [big]", 7, "should match pattern"),
        ("- id: it\n  effect: deny\n  when:\n    seconds_min: 8.5", 7, "should be a valid integer"),
        ("- id: it\n  effect: deny\n  when:\n    seconds_min: '8'", 7, "should be a valid integer"),
        ("- id: it\n  effect: deny\n  when:\n    hours: 25-3", 7, "hours go from 0 to 24"),
        ("- id: it\n  effect: deny\n  when:\n    hours: noon", 7, "hours are written as"),
        ("- id: it\n  effect: deny\n  when:\n    fields: {colour: any}", 6, "there are no fields colour"),
        ("- id: it\n  effect: deny\n  when:\n    prompt: '(a'", 7, "not an RE2 pattern"),
        ("- id: it\n  effect: deny\n  when:\n    prompt: '(?=a)'", 7, "no look-around"),
        ("- id: it\n  effect: deny\n  when:\n    prompt: '(a)\\1'", 7, "no backreferences"),
        ("- id: it\n  effect: deny\n  when:\n    prompt: '((a{1,500}){1,500}){1,500}'", 7, "not an RE2 pattern"),
    ],
)
def test_a_rule_that_is_wrong_is_refused_with_its_line(rules: str, line: int, reason: str) -> None:
    found = refused(RULES + rules)
    assert reason in found.reason
    assert found.line == line


SAME_CONDITIONS = """\
- {id: a, effect: deny, when: {models: [x, y], hours: 1-2}}
- {id: b, effect: allow, when: {hours: 1-2, models: [y, x, x]}}
"""


@pytest.mark.parametrize(
    ("rules", "line", "reason"),
    [
        ("- {id: it, effect: deny}\n- {id: it, effect: warn, when: {hours: 1-2}}", 5, "rule it is there already"),
        ("- {id: a, effect: deny}\n- {id: b, effect: allow}", 5, "rule b (allow) has the conditions of rule a (deny)"),
        (SAME_CONDITIONS, 5, "rule b (allow) has the conditions of rule a (deny)"),
        ("- {id: it, effect: deny, when: {seconds_min: 9, seconds_max: 8}}", 4, "never holds: seconds_min 9"),
        ("- {id: it, effect: deny, when: {operations: [remix], has_reference: true}}", 4, "never holds: only a create"),
        ("- {id: it, effect: deny, when: {operations: [create], remix_depth_min: 1}}", 4, "remix depth of a create"),
        ("- {id: it, effect: deny, when: {has_reference: true, remix_depth_min: 1}}", 4, "never holds"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(rules: str, line: int, reason: str) -> None:
    found = refused(RULES + rules)
    assert reason in found.reason
    assert found.line == line


def test_a_warning_may_go_with_any_other_rule() -> None:
    read_policy(f"{RULES}- {{id: a, effect: deny}}\n- {{id: b, effect: warn}}".encode())


def test_an_unknown_model_is_refused_in_rules_and_purposes() -> None:
    text = (
        f"{RULES}- id: it\n  effect: deny\n  when:\n    models: [sora-2, sora-9]\npurposes:\n  final: {{model: nope}}"
    )
    problems = refused(text, models=["sora-2"]).problems
    assert [(each.line, each.place) for each in problems] == [(7, "rules.0.when.models.1"), (9, "purposes.final.model")]
    assert problems[0].reason == "no renderer offers the model 'sora-9'; offered are sora-2"
    read_policy(text.encode())


def test_aliases_are_refused_before_anything_is_made_of_them() -> None:
    bomb = "a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi"))  # noqa: B905 - one is longer by design
    assert refused(bomb).line == 1
    assert "alias" in refused(bomb).reason
    assert "alias" in refused(f"{HEAD}x: &x {{a: 1}}\ny: *x").reason


def test_what_is_nested_or_written_without_end_is_refused() -> None:
    assert refused("[" * 50_000).reason == "nested too deeply"
    assert "has a value that cannot be read" in refused(f"{HEAD}x: {'9' * 5_000}").reason


def test_a_file_that_is_too_large_is_not_even_parsed() -> None:
    assert "larger than" in refused(b"[" * (POLICY_BYTES_MAX + 1)).reason


def test_every_problem_is_told_of_up_to_a_number_of_them() -> None:
    many = "".join(f"- {{id: r{number}, effect: deny, wen: 1}}\n" for number in range(PROBLEMS_MAX + 5))
    problems = refused(RULES + many).problems
    assert [each.line for each in problems] == [*range(4, 4 + PROBLEMS_MAX)]


def test_a_policy_is_named_by_the_hash_of_its_bytes() -> None:
    content = HEAD.encode()
    assert read_policy(content).hash == hashlib.sha256(content).hexdigest()
    assert read_policy(content + b"# a comment\n").hash != read_policy(content).hash


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEAD + text).encode("utf-8", "replace")))
def test_whatever_the_bytes_they_are_a_policy_or_refused(content: bytes) -> None:
    try:
        read_policy(content)
    except PolicyInvalid as found:
        assert str(found)  # noqa: PT017 - only if it is refused


KEYS = st.sampled_from(
    ["version", "default", "rules", "id", "effect", "when", "models", "hours", "guardrails", "music"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["deny", "9-17", ".nan"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_the_values_they_are_a_policy_or_refused_by_line(document: dict[str, object]) -> None:
    try:
        read_policy(yaml.safe_dump(document).encode())
    except PolicyInvalid as found:
        assert str(found)  # noqa: PT017 - only if it is refused


def test_patterns_are_so_many_at_most() -> None:
    many = "".join(f"- {{id: r{n}, effect: deny, when: {{prompt: a{n}}}}}\n" for n in range(PATTERNS_MAX + 1))
    assert "more than 100 rules have a prompt pattern" in refused(RULES + many).reason

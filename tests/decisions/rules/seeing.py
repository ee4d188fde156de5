"""A render as a policy sees it, and policies to ask about it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bickford_sora.decisions.rules.evaluation import CompiledPolicy, Outcome, evaluate
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.decisions.rules.seen import Seen

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROMPT = "Wide shot of a child flying a red kite in a grassy park, golden hour sunlight, camera slowly pans upward."
_ORDINARY = Seen(
    operation="create",
    model="sora-2",
    size="1280x720",
    seconds=8,
    cost_micro=800_000,
    project="default",
    requester="req-1",
    key_id="key-1",
    at=NOON,
    prompt=PROMPT,
)


def seen(**changes: Any) -> Seen:
    """An ordinary render with these changes."""
    return replace(_ORDINARY, **changes)


def policy(text: str, *, default: str = "allow") -> CompiledPolicy:
    """A policy file that goes on with `text`."""
    return read_policy(f"version: 1\ndefault: {default}\n{text}".encode())


def rule(when: str, effect: str = "deny") -> CompiledPolicy:
    """A policy of one rule, named `it`."""
    return policy(f"rules: [{{id: it, effect: {effect}, when: {when}}}]")


def holds(when: str, render: Seen, effect: str = "deny") -> bool:
    """Whether a rule with these conditions holds for a render."""
    return "it" in evaluate(rule(when, effect), render).rules


def outcome(text: str, **changes: Any) -> Outcome:
    """What a policy says about an ordinary render with these changes."""
    return evaluate(policy(text), seen(**changes))

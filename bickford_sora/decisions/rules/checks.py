"""What is asked of a render: one compiled condition with what follows when it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bickford_sora.decisions.rules.entries import Effect, OnHold
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.decisions.rules.wording import Wording

STRENGTH: Mapping[Effect, int] = MappingProxyType({"deny": 3, "require_approval": 2, "warn": 1, "allow": 0})
"""The strongest effect wins."""

Test = Callable[[Seen], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, limit or guardrail, ready to be asked."""

    id: str
    effect: Effect
    message: str
    """For the client: which rule it was and what to do."""
    on_hold: OnHold | None = None
    matches: Test = field(repr=False, default=lambda _: True)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guardrail: a check that reads what was written."""

    check: Check
    violated: Callable[[Seen, Wording], bool] = field(repr=False)
    excepted: Test = field(repr=False)
    """Whether an approved exception holds for this render."""

"""What another policy, or other prices, would have made of what was asked: recorded intents, asked again. Pure.

The same evaluation decides as when a render is asked for. What a budget refused stays refused: budgets are not played
again. Lineages are as they were recorded, whatever the other policy would have let into them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from bickford_sora.decisions.rules.entries import Effect
from bickford_sora.decisions.rules.evaluation import CompiledPolicy, evaluate
from bickford_sora.decisions.rules.seen import Seen

Fate = Literal["allowed", "held", "denied"]
FATES: tuple[Fate, ...] = ("allowed", "held", "denied")
FLIPPED_MAX = 10_000
"""Most flipped decisions that are listed; all are counted."""

_FATE_OF: Mapping[Effect, Fate] = MappingProxyType(
    {"allow": "allowed", "warn": "allowed", "require_approval": "held", "deny": "denied"}
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One intent, as it was decided."""

    video_id: str
    seen: Seen
    """What the policy is asked about now: at other prices with another cost."""
    was: Fate
    was_by: str | None
    """The rule that decided; None: not recorded."""
    was_cost_micro: int | None
    """At the prices of that time."""
    was_currency: str | None
    """None: no price was known."""
    currency: str | None
    """Of what it costs now; None: no price is known."""
    by_budget: bool = False
    """Whether a budget refused what policy allowed."""


@dataclass(frozen=True, slots=True)
class Flipped:
    """One intent whose fate would have been another."""

    video_id: str
    at: str
    requester: str
    model: str
    was: Fate
    was_by: str | None
    would_be: Fate
    would_by: str
    cost_micro: int | None


@dataclass(slots=True)
class Tally:
    """How a group of intents fared, and would have."""

    intents: int = 0
    was: Counter[Fate] = field(default_factory=Counter)
    would_be: Counter[Fate] = field(default_factory=Counter)
    was_cost_micro: Counter[str] = field(default_factory=Counter)
    """Of what was allowed, by currency."""
    would_cost_micro: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Report:
    """What would have changed. Filled by `compare`."""

    policy_hash: str
    total: Tally = field(default_factory=Tally)
    by_rule: dict[str, Tally] = field(default_factory=dict)
    """By the rule that would have decided."""
    by_requester: dict[str, Tally] = field(default_factory=dict)
    by_model: dict[str, Tally] = field(default_factory=dict)
    flips: Counter[tuple[Fate, Fate]] = field(default_factory=Counter)
    """How many went from one fate to another."""
    flipped: list[Flipped] = field(default_factory=list)
    """The first of them, in the order of their intents."""


def compare(policy: CompiledPolicy, recorded: Iterable[Recorded]) -> Report:
    """Asks the policy about every intent."""
    report = Report(policy.hash)
    groups: dict[_Group, list[int]] = {}
    for each in recorded:
        outcome = evaluate(policy, each.seen)
        fate = "denied" if each.by_budget else _FATE_OF[outcome.effect]
        _add(groups, each, outcome.decided_by, fate)
        if fate != each.was:
            _flip(report, each, fate, outcome.decided_by)
    for group, sums in groups.items():
        _tally(report, group, sums)
    return report


_Group = tuple[str, str, str, Fate, Fate, str | None, str | None]
"""Rule, requester, model, what it was and would be, and the currencies of both costs: tallied once for each group."""


def _add(groups: dict[_Group, list[int]], each: Recorded, rule: str, fate: Fate) -> None:
    seen = each.seen
    group = (rule, seen.requester, seen.model, each.was, fate, each.was_currency, each.currency)
    sums = groups.get(group)
    if sums is None:
        sums = groups[group] = [0, 0, 0]
    sums[0] += 1
    sums[1] += each.was_cost_micro or 0
    sums[2] += seen.cost_micro or 0


def _tally(report: Report, group: _Group, sums: list[int]) -> None:
    rule, requester, model, was, fate, was_currency, currency = group
    intents, was_micro, would_micro = sums
    tallies = (report.by_rule, rule), (report.by_requester, requester), (report.by_model, model)
    for tally in (report.total, *(each.setdefault(name, Tally()) for each, name in tallies)):
        tally.intents += intents
        tally.was[was] += intents
        tally.would_be[fate] += intents
        if was == "allowed" and was_currency is not None:
            tally.was_cost_micro[was_currency] += was_micro
        if fate == "allowed" and currency is not None:
            tally.would_cost_micro[currency] += would_micro


def _flip(report: Report, each: Recorded, fate: Fate, rule: str) -> None:
    report.flips[each.was, fate] += 1
    if len(report.flipped) < FLIPPED_MAX:
        seen = each.seen
        report.flipped.append(
            Flipped(
                video_id=each.video_id,
                at=seen.at.isoformat(),
                requester=seen.requester,
                model=seen.model,
                was=each.was,
                was_by=each.was_by,
                would_be=fate,
                would_by=rule,
                cost_micro=seen.cost_micro,
            )
        )

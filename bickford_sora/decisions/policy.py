"""Whether a render may happen: the policy in force, asked about one render, and what its answer means for the client.

Until a policy is published the built-in one decides, by the same evaluation: everything offered is allowed, up to a
cost for each render.
"""

import functools
from dataclasses import dataclass
from typing import Literal

from bickford_sora.decisions.amounts import units
from bickford_sora.decisions.rules.entries import AMOUNT_MAX, OnHold
from bickford_sora.decisions.rules.evaluation import CompiledPolicy, Outcome, evaluate
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.decisions.rules.seen import Seen, saw
from ledger.events import Verdict, VerdictWarning

WARNINGS_MAX = 20
"""Most warnings that are recorded and told of."""
_COST = {"cost_micro_min"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a render may not happen, in words for the client."""

    code: str
    message: str
    kind: Literal["policy", "approval", "quota", "rate"] = "policy"
    """Whether a rule denied it, somebody has to approve, a budget is used up, or it only came too early."""
    on_hold: OnHold = "wait"
    """Of kind `approval`: whether the render starts when it is approved, or when the client asks again."""
    retry_after_ms: int = 0
    """Of kind `rate`: when it may be asked again."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy in force."""

    compiled: CompiledPolicy
    head: int = 0
    """Of the stream that says so: a decision is recorded only while this is its head. 0: none was published."""

    def decide(self, seen: Seen, currency: str | None = None) -> tuple[Verdict, Refusal | None]:
        """The verdict, and the refusal when the render may not happen. `currency` is that of its cost."""
        outcome = evaluate(self.compiled, seen)
        verdict = Verdict(
            policy_hash=self.compiled.hash,
            rules=outcome.rules,
            decided_by=outcome.decided_by,
            saw={**saw(seen), "currency": currency},
            warnings=tuple(
                VerdictWarning(rule=each.rule, message=each.message) for each in outcome.warnings[:WARNINGS_MAX]
            ),
        )
        return verdict, self._refusal(outcome, seen, currency)

    def _refusal(self, outcome: Outcome, seen: Seen, currency: str | None) -> Refusal | None:
        if outcome.effect == "require_approval":
            return _held(outcome)
        if outcome.effect != "deny":
            return None
        message = outcome.message or ""
        if not self._is_about_cost(outcome.decided_by):
            return Refusal("policy_denied", message)
        if seen.cost_micro is None:
            return Refusal("price_unknown", f"No price is known for this render. {message}")
        cost = f"{units(seen.cost_micro)} {currency or ''}".strip()
        return Refusal("render_cost_exceeded", f"This render costs {cost}. {message}")

    def _is_about_cost(self, rule_id: str) -> bool:
        """Whether a rule looks at the cost and at nothing else."""
        return any(each.id == rule_id and each.when.model_fields_set == _COST for each in self.compiled.document.rules)


def built_in_text(render_cost_max_micro: int | None = None) -> str:
    """The built-in policy as a policy file."""
    lines = ["version: 1", "default: deny", "rules:", "- {id: allow-offered, effect: allow}"]
    if render_cost_max_micro is not None:
        lines += [
            "- id: render-cost-max",
            "  effect: deny",
            f"  when: {{cost_micro_min: {min(render_cost_max_micro + 1, AMOUNT_MAX)}}}",
            "  message: Ask for fewer seconds, a smaller size or another model.",
        ]
    return "\n".join(lines) + "\n"


@functools.cache
def built_in(render_cost_max_micro: int | None = None) -> Policy:
    """The policy until one is published."""
    return Policy(read_policy(built_in_text(render_cost_max_micro).encode()))


def _held(outcome: Outcome) -> Refusal:
    """A render that somebody has to approve."""
    return Refusal("approval_required", outcome.message or "", kind="approval", on_hold=outcome.on_hold or "wait")

"""What a policy says about one render: deny > require_approval > warn > allow, whatever the order of its rules.

A warning never grants anything: whether a render that nobody denies or holds may happen is for the rules that allow,
and for the policy's default.
"""

import hashlib
from dataclasses import dataclass, field

from bickford_sora.decisions.declared import Purpose
from bickford_sora.decisions.rules.advice import advice
from bickford_sora.decisions.rules.checks import STRENGTH, Check, Guard
from bickford_sora.decisions.rules.conditions import CHANGEABLE, test_of
from bickford_sora.decisions.rules.document import PolicyDocument, RuleEntry
from bickford_sora.decisions.rules.entries import Effect, OnHold
from bickford_sora.decisions.rules.guardrails import guards_of, wording_of
from bickford_sora.decisions.rules.hours import zone_of
from bickford_sora.decisions.rules.purposes import cadence_checks, remix_checks
from bickford_sora.decisions.rules.seen import Seen

DEFAULT = "policy.default"
"""Names the policy's default where no rule decided. No rule can have such an id."""
_APPROVAL = STRENGTH["require_approval"]


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy, ready to be asked. Made by `compile_policy`."""

    hash: str
    """SHA-256 of the file's bytes, in hex."""
    text: str = field(repr=False)
    """The file."""
    document: PolicyDocument = field(repr=False)
    checks: tuple[Check, ...] = field(repr=False)
    """Rules in their order, then cadence, then remixes."""
    guards: tuple[Guard, ...] = field(repr=False)

    @property
    def reads_texts(self) -> bool:
        """Whether it looks at the prompt or another text of a request."""
        read = any(
            each.when.prompt is not None or each.when.cel is not None or each.when.fields is not None
            for each in self.document.rules
        )
        return read or self.document.advice or bool(self.guards)

    def asks_about_lineage(self, purpose: Purpose | None) -> bool:
        """Whether it looks at the other renders of a lineage, for a render of this purpose."""
        limits = self.document.purposes.of(purpose)
        has_limit = limits.renders_per_hour_max is not None or limits.interval_s_min is not None
        return has_limit or any(
            rule.when.cel is not None or rule.when.has_approved_draft is not None for rule in self.document.rules
        )


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning for the client."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a render, and why."""

    effect: Effect
    decided_by: str
    """The first rule that has this effect, or `policy.default`."""
    rules: tuple[str, ...] = ()
    """All that matched. `guardrails.audience.exception` says that an approved exception was made use of."""
    warnings: tuple[Warned, ...] = ()
    message: str | None = None
    """Of a render that is denied or held: which rule, and what to do."""
    on_hold: OnHold | None = None
    """Of a render that is held."""


def compile_policy(document: PolicyDocument, text: str) -> CompiledPolicy:
    """The policy with every condition looked up and compiled once."""
    zone = zone_of(document.time_zone)
    rules = [
        Check(
            id=rule.id,
            effect=rule.effect,
            message=_message(rule),
            on_hold=(rule.on_hold or "wait") if rule.effect == "require_approval" else None,
            matches=test_of(rule.when, grants=rule.effect == "allow", zone=zone),
        )
        for rule in document.rules
    ]
    limits = [*cadence_checks(document.purposes), *remix_checks(document.remixes)]
    policy_hash = hashlib.sha256(text.encode()).hexdigest()
    return CompiledPolicy(policy_hash, text, document, (*rules, *limits), guards_of(document.guardrails))


def evaluate(policy: CompiledPolicy, seen: Seen) -> Outcome:
    """What the policy says. Every rule is asked, so that the record names all that matched."""
    matched = [check for check in policy.checks if check.matches(seen)]
    names = [check.id for check in matched]
    if policy.guards:
        violated, excepted = _guarded(policy, seen)
        matched += violated
        names += [*(check.id for check in violated), *excepted]
    warnings = tuple(Warned(check.id, check.message) for check in matched if check.effect == "warn")
    if policy.document.advice and seen.operation == "create":
        warnings += tuple(Warned(name, text) for name, text in advice(seen.prompt))
    return _outcome(policy, matched, tuple(names), warnings)


def _guarded(policy: CompiledPolicy, seen: Seen) -> tuple[list[Check], list[str]]:
    """Guardrails that were violated, and the names of the exceptions made."""
    written = wording_of(seen)
    found = [guard for guard in policy.guards if guard.violated(seen, written)]
    excepted = [f"{guard.check.id}.exception" for guard in found if guard.excepted(seen)]
    return [guard.check for guard in found if not guard.excepted(seen)], excepted


def _outcome(
    policy: CompiledPolicy, matched: list[Check], names: tuple[str, ...], warnings: tuple[Warned, ...]
) -> Outcome:
    strongest = max(matched, key=_strength, default=None)  # of equals, max takes the first
    if strongest is not None and _strength(strongest) >= _APPROVAL:
        return Outcome(strongest.effect, strongest.id, names, warnings, strongest.message, strongest.on_hold)
    granted = any(check.effect == "allow" for check in matched)
    if not granted and policy.document.default == "deny":
        return Outcome("deny", DEFAULT, names, warnings, _NOT_ALLOWED)
    if strongest is not None:
        return Outcome(strongest.effect, strongest.id, names, warnings)
    return Outcome("allow", DEFAULT, names, warnings)


_NOT_ALLOWED = (
    "No rule of the policy allows this render, and its default is to deny. Ask whoever answers for the policy."
)


def _strength(check: Check) -> int:
    return STRENGTH[check.effect]


def _message(rule: RuleEntry) -> str:
    """Which rule it was and what to do, for the client."""
    does = {"deny": "denies", "require_approval": "asks for approval of", "warn": "warns about", "allow": "allows"}
    told = f"Rule {rule.id} of the policy {does[rule.effect]} this render."
    if rule.message is not None:
        return f"{told} {rule.message}"
    changeable = dict.fromkeys(CHANGEABLE[name] for name in rule.when.model_fields_set if name in CHANGEABLE)
    if not changeable:
        return f"{told} Ask whoever answers for the policy."
    return f"{told} It looks at {', '.join(sorted(changeable))}: change that, or ask whoever answers for the policy."

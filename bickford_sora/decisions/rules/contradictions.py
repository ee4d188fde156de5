"""What is wrong with a policy although each of its parts is well formed."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from bickford_sora.decisions.rules.conditions import WhenEntry
from bickford_sora.decisions.rules.document import PolicyDocument
from bickford_sora.decisions.rules.guardrails import ModerationsEntry, may_name, own_variables

Place = tuple[str | int, ...]
"""Where in the document: keys and indexes from its top."""


def contradictions(
    document: PolicyDocument, models: Collection[str] | None, tenant: str
) -> Iterator[tuple[Place, str]]:
    """Each place that contradicts another, or names what is not this tenant's to name.

    Models that nobody offers are asked for only when `models` is given.
    """
    yield from _same_ids(document)
    yield from _opposites(document)
    yield from _foreign_keys(document, tenant)
    if models is not None:
        yield from _unknown_models(document, models)


def _same_ids(document: PolicyDocument) -> Iterator[tuple[Place, str]]:
    first: dict[str, int] = {}
    for index, rule in enumerate(document.rules):
        if rule.id in first:
            yield ("rules", index, "id"), f"rule {rule.id} is there already, as number {first[rule.id] + 1}"
        first.setdefault(rule.id, index)


def _opposites(document: PolicyDocument) -> Iterator[tuple[Place, str]]:
    """Rules with the same conditions of which the weaker could never decide. A warning goes with any of them."""
    first: dict[str, int] = {}
    for index, rule in enumerate(document.rules):
        if rule.effect == "warn":
            continue
        other = document.rules[first.setdefault(_conditions(rule.when), index)]
        if other.effect != rule.effect:
            yield (
                ("rules", index),
                f"rule {rule.id} ({rule.effect}) has the conditions of rule {other.id} ({other.effect})",
            )


def _conditions(when: WhenEntry) -> str:
    """The conditions in a form that is equal when they mean the same."""
    return json.dumps(_ordered(when.model_dump(exclude_none=True)), sort_keys=True)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return sorted({json.dumps(each) for each in value})
    return value


def _foreign_keys(document: PolicyDocument, tenant: str) -> Iterator[tuple[Place, str]]:
    for name, entry in document.guardrails.enabled():
        detector = entry.detector
        variable = detector.api_key_env if isinstance(detector, ModerationsEntry) else None
        if variable is not None and not may_name(tenant, variable):
            place = ("guardrails", name, "detector", "api_key_env")
            yield place, f"the key in {variable} is not this tenant's; its variables are {own_variables(tenant)}"


def _unknown_models(document: PolicyDocument, models: Collection[str]) -> Iterator[tuple[Place, str]]:
    for index, rule in enumerate(document.rules):
        for number, model in enumerate(rule.when.models or ()):
            if model not in models:
                yield ("rules", index, "when", "models", number), _unknown(model, models)
    for purpose in ("draft", "final"):
        chosen = document.purposes.draft.model if purpose == "draft" else document.purposes.final.model
        if chosen is not None and chosen not in models:
            yield ("purposes", purpose, "model"), _unknown(chosen, models)


def _unknown(model: str, models: Collection[str]) -> str:
    return f"no renderer offers the model {model!r}; offered are {', '.join(sorted(models)) or 'none'}"

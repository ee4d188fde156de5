"""docs/reference/policy.md and its schema are held to the program, the examples to the checks of `policy lint`."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from bickford_sora.decisions.rules import guardrails
from bickford_sora.decisions.rules.advice import PARTS
from bickford_sora.decisions.rules.conditions import WhenEntry
from bickford_sora.decisions.rules.document import PolicyDocument, RuleEntry
from bickford_sora.decisions.rules.evaluation import DEFAULT
from bickford_sora.decisions.rules.expression import variables
from bickford_sora.decisions.rules.purposes import (
    PurposeEntry,
    PurposesEntry,
    RemixesEntry,
    cadence_checks,
    remix_checks,
)
from bickford_sora.decisions.rules.reading import POLICY_BYTES_MAX
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.policy_file import read_policy_file
from tests.decisions.rules.seeing import seen
from tests.docs.pages import REFERENCE, ROOT, codes, rows, sections, shown

TEXT = (REFERENCE / "policy.md").read_text("utf-8")
PAGE = sections(TEXT, 2)
EXAMPLES = sorted((ROOT / "docs" / "examples" / "policies").glob("*.yaml"))


def described(section: str) -> set[str]:
    """The keys in the first column of a section's first table."""
    first = PAGE[section].split("\n\n| ", 1)[1].split("\n\n", 1)[0]
    return {key for row in rows(f"| {first}") for key in codes(row[0])}


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("The file", PolicyDocument),
        ("Rules", RuleEntry),
        ("Conditions", WhenEntry),
        ("Purposes", PurposeEntry),
        ("Remixes", RemixesEntry),
    ],
)
def test_every_key_is_described_and_no_other(section: str, entry: type[BaseModel]) -> None:
    assert described(section) == set(entry.model_fields)


def test_every_key_of_a_guardrail_is_described_and_no_other() -> None:
    exception = {f"exception.{name}" for name in guardrails.ExceptionEntry.model_fields}
    assert described("Guardrails") == set(guardrails.AudienceEntry.model_fields) | exception
    assert set(guardrails.GuardrailsEntry.model_fields) <= set(codes(PAGE["Guardrails"]))


def test_every_detector_is_described_with_its_keys() -> None:
    told = {codes(row[0])[0]: set(codes(row[1])) for row in rows(PAGE["Guardrails"]) if row[0].startswith("`kind")}
    entries = (guardrails.WordsEntry, guardrails.ModerationsEntry, guardrails.AttestationEntry)
    assert told == {
        f"kind: {entry.model_fields['kind'].annotation.__args__[0]}": set(entry.model_fields) - {"kind"}  # type: ignore[union-attr]
        for entry in entries
    }


def test_what_an_expression_sees_is_described() -> None:
    table = PAGE["Conditions"].split("A CEL expression sees:", 1)[1]
    told = {name for row in rows(table) for name in codes(row[0])}
    assert told == set(variables(seen(), ZoneInfo("UTC"))) == {each.name for each in fields(Seen)} - {"at"} | {"hour"}


def test_the_names_of_rules_that_no_file_writes_are_described() -> None:
    told = {name for row in rows(PAGE["How it decides"]) for name in codes(row[0])}
    every = {name: PurposeEntry(renders_per_hour_max=1, interval_s_min=1) for name in ("draft", "final")}
    limits = [*cadence_checks(PurposesEntry(**every)), *remix_checks(RemixesEntry(depth_max=1, changes_max=1))]
    assert told == {
        DEFAULT,
        "guardrails.NAME",
        "guardrails.audience.exception",
        "advice.short",
        *(f"advice.{part}" for part in PARTS),
        *(check.id for check in limits),
    }


def test_the_limit_on_the_file_is_as_the_program_has_it() -> None:
    assert f"{POLICY_BYTES_MAX:,} bytes" in TEXT


def test_the_published_schema_is_the_programs() -> None:
    published = json.loads((REFERENCE / "policy.schema.json").read_text("utf-8"))
    assert published == json.loads(json.dumps(PolicyDocument.model_json_schema()))


@pytest.mark.parametrize("example", EXAMPLES, ids=shown)
def test_an_example_is_in_order(example: Path) -> None:
    assert read_policy_file(example, models={"sora-2", "sora-2-pro"}).document.version == 1


def test_every_example_is_named_by_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "policy.md").read_text("utf-8")
    assert set(re.findall(r"examples/policies/([a-z-]+\.yaml)", guide)) == {each.name for each in EXAMPLES}


def test_the_examples_use_every_part_of_a_policy() -> None:
    used = {name for example in EXAMPLES for name in _used(read_policy_file(example).document)}
    assert used == set(PolicyDocument.model_fields)


def _used(document: PolicyDocument) -> Iterator[str]:
    yield from document.model_fields_set

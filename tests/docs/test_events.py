import ast
import inspect
import re
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel

from ledger import streams
from ledger.envelope import Fact, Sealed
from ledger.events import TYPES, parts
from tests.docs.pages import REFERENCE, ROOT, codes, rows, sections

PAGE = (REFERENCE / "events.md").read_text("utf-8")
FACTS = sections(PAGE, 3)
PARTS = sections(PAGE, 4)
PARTS_OF_FACTS = {
    name: member
    for name, member in vars(parts).items()
    if isinstance(member, type) and issubclass(member, parts.Part) and member is not parts.Part
}


@cache
def recorded_today() -> set[str]:
    """The type names of the facts that the program makes anywhere: `X(...)` or `X.model_validate(...)`."""
    by_class = {fact.__name__: name for name, fact in TYPES.items()}
    named = re.compile(rf"\b(?:{'|'.join(by_class)})\b")
    made: set[str] = set()
    for module in (ROOT / "bickford_sora").rglob("*.py"):
        text = module.read_text("utf-8")
        if not named.search(text):
            continue  # parsing takes long
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Attribute) and called.attr == "model_validate":
                    called = called.value
                if isinstance(called, ast.Name) and called.id in by_class:
                    made.add(by_class[called.id])
    return made


def test_the_facts_on_the_page_are_those_of_the_ledger() -> None:
    assert set(FACTS) == set(TYPES)


def test_the_values_on_the_page_are_those_inside_facts() -> None:
    assert set(PARTS) == set(PARTS_OF_FACTS)


@pytest.mark.parametrize("name", TYPES)
def test_every_field_of_a_fact_is_described(name: str) -> None:
    _check_fields(TYPES[name], FACTS[name])


@pytest.mark.parametrize("name", PARTS_OF_FACTS)
def test_every_field_of_a_value_is_described(name: str) -> None:
    _check_fields(PARTS_OF_FACTS[name], PARTS[name])


@pytest.mark.parametrize("name", TYPES)
def test_it_is_said_whether_a_fact_is_recorded_today(name: str) -> None:
    assert ("Recorded today." in FACTS[name]) == (name in recorded_today())
    assert ("Shape only." in FACTS[name]) == (name not in recorded_today())


@pytest.mark.parametrize("name", TYPES)
def test_a_facts_stream_is_one_that_can_be_made(name: str) -> None:
    said = FACTS[name].partition("Stream: ")[2].partition(".")[0]
    if said == "none yet":
        assert name not in recorded_today()
    else:
        assert inspect.isfunction(getattr(streams, said.strip("`")))


def test_every_column_of_the_table_is_described() -> None:
    table = (ROOT / "ledger" / "migrations" / "0001_events.sql").read_text("utf-8")
    body = table.partition("create table ledger.events (")[2].partition("constraint")[0]
    columns = {line.split()[0] for line in body.splitlines() if line.strip()}
    section = sections(PAGE, 2)["Columns of every event"]
    assert {codes(row[0])[0] for row in rows(section)} == columns


def _check_fields(model: type[Fact] | type[BaseModel], section: str) -> None:
    described = {codes(row[0])[0]: row for row in rows(section)}
    assert list(described) == list(model.model_fields)
    for name, field in model.model_fields.items():
        kind, meaning = described[name][1:]
        assert meaning.endswith("."), meaning
        assert kind.startswith("sealed") == _is_sealed(field.annotation), name
        assert kind.endswith("or null") == (type(None) in getattr(field.annotation, "__args__", ())), name


def _is_sealed(annotation: Any) -> bool:
    return annotation is Sealed or Sealed in getattr(annotation, "__args__", ())

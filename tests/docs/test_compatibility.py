"""docs/compatibility.md is generated; that it is not left behind is checked here without running the tests again."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bickford_sora.renderers.dialects import DIALECTS
from tests.compatibility import CLIENTS, FEATURES, ROUTES
from tests.docs.pages import ROOT, rows, sections
from tests.tools.generate_compatibility import PAGE, SHOWN, heading, versions

TEXT = PAGE.read_text("utf-8")
TABLES = sections(TEXT, 2)
SHOWN_OF_CLIENTS = {SHOWN["works"], SHOWN["no call"]}
SHOWN_OF_RENDERERS = {SHOWN["works"], SHOWN["refused"]}
SOURCES = (*(ROOT / "tests" / "clients").glob("test_*.py"), ROOT / "tests" / "http" / "test_webhook_endpoints.py")


def table(name: str) -> dict[str, list[str]]:
    return {first: cells for first, *cells in rows(TABLES[name])}


@pytest.mark.parametrize(
    ("name", "across", "down"),
    [
        ("Clients and routes", CLIENTS, ROUTES),
        ("Renderers and features", tuple(map(heading, DIALECTS)), FEATURES),
    ],
)
def test_the_tables_are_of_what_can_be_recorded(name: str, across: tuple[str, ...], down: tuple[str, ...]) -> None:
    assert f"| | {' | '.join(across)} |" in TABLES[name]
    assert tuple(table(name)) == down
    assert {len(cells) for cells in table(name).values()} == {len(across)}


@pytest.mark.parametrize(
    ("name", "shown"), [("Clients and routes", SHOWN_OF_CLIENTS), ("Renderers and features", SHOWN_OF_RENDERERS)]
)
def test_every_cell_was_tried_and_none_fails(name: str, shown: set[str]) -> None:
    assert {cell for cells in table(name).values() for cell in cells} == shown


def test_the_tables_say_of_each_dialect_what_the_program_says() -> None:
    features = table("Renderers and features")
    names = {"edits": "edits", "extensions": "extensions", "characters": "characters", "list": "lists"}
    for number, dialect in enumerate(DIALECTS.values()):
        for feature, capability in names.items():
            expected = "works" if getattr(dialect.capabilities, capability) else "refused"
            assert features[feature][number] == SHOWN[expected], (dialect.name, feature)


def test_the_packages_are_those_that_are_tested() -> None:
    assert versions() in TEXT.replace("\n", " ")


def test_every_client_and_every_route_is_named_by_a_test() -> None:
    named = {text for source in SOURCES for text in _texts(source)}
    assert set(CLIENTS) | set(ROUTES) <= named


def _texts(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

import ast
from collections.abc import Iterator
from importlib import import_module

import pytest

from tests.docs.pages import fences, markdown_files, shown

OURS = ("bickford_sora", "ledger", "projections")
SNIPPETS = {
    f"{shown(page)}-{number}": code
    for page in markdown_files()
    for number, code in enumerate(fences(page.read_text("utf-8"), "python"), start=1)
}


def test_there_are_snippets_to_check() -> None:
    assert SNIPPETS


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_compiles(name: str) -> None:
    compile(SNIPPETS[name], name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("name", SNIPPETS)
def test_what_a_snippet_imports_from_us_exists(name: str) -> None:
    for module, imported in _imports(SNIPPETS[name]):
        assert hasattr(import_module(module), imported), f"{module}.{imported}"


def _imports(code: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OURS:
            yield from ((node.module, alias.name) for alias in node.names)

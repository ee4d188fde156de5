import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bickford_sora import errors, webhook_signatures
from bickford_sora.assets.errors import (
    AssetStoreUnavailable,
    MediaFault,
    MediaInspectionInterrupted,
    MediaInspectionTimeout,
    MediaInspectorUnavailable,
)
from bickford_sora.errors import ProtocolError
from ledger.errors import Erased, Unavailable
from projections.errors import OtherVersion
from tests.docs.pages import REFERENCE, ROOT, codes, rows, sections

PAGE = sections((REFERENCE / "errors.md").read_text("utf-8"), 2)
ANSWERED = {code: int(row[1]) for row in rows(PAGE["What the HTTP API answers"]) for code in codes(row[0])}
ELSEWHERE = {
    code
    for heading in ("Why a render has no video", "Codes in facts only")
    for row in rows(PAGE[heading])
    for code in codes(row[0])
}
PACKAGE = ROOT / "bickford_sora"
EDGE = [
    *(PACKAGE / "http").glob("*.py"),
    *(
        PACKAGE / f"{name}.py"
        for name in (
            "answers",
            "audits",
            "callers",
            "characters",
            "endpoints",
            "erasing",
            "finding",
            "idempotency",
            "intake",
            "invoices",
            "making",
            "observations",
            "pasts",
            "policies",
            "references",
            "webhook_intake",
        )
    ),
    *(
        PACKAGE / "decisions" / f"{name}.py"
        for name in (
            "endpoints",
            "erasure",
            "fields",
            "holds",
            "intent",
            "invoice_match",
            "invoices",
            "media",
            "offers",
            "policy",
            "request",
            "routing",
            "wrong",
        )
    ),
]
BEHIND = [*(PACKAGE / "decisions").glob("*.py"), *(PACKAGE / "workers").glob("*.py")]
STATUSES = {
    name: kind.status
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, ProtocolError)
}
CODE = re.compile(r"[a-z]+(_[a-z]+)*")


def codes_in(module: Path) -> Iterator[tuple[str, str]]:
    """Each code a module gives as an argument named `code`, by keyword or position, and to what."""
    text = module.read_text("utf-8")
    if "code" not in text and "Refusal(" not in text:
        return  # parsing takes long
    nodes = list(ast.walk(ast.parse(text)))  # once: every process that collects tests does this
    places = dict(_places(nodes))
    for node in nodes:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "code" for to in node.targets):
            yield from (("", code) for code in _texts(node.value))
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        for keyword in node.keywords:
            if keyword.arg == "code":
                yield from ((called, code) for code in _texts(keyword.value))
        if called in places and len(node.args) > places[called]:
            yield from ((called, code) for code in _texts(node.args[places[called]]))


def _places(nodes: list[ast.AST]) -> Iterator[tuple[str, int]]:
    """Functions and data classes of a module that take `code` by position, and where."""
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args if argument.arg != "self"]
        elif isinstance(node, ast.ClassDef):
            fields = [line.target for line in node.body if isinstance(line, ast.AnnAssign)]
            names = [target.id for target in fields if isinstance(target, ast.Name)]
        if "code" in names and isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, names.index("code")
    yield "Refusal", 0


def _texts(node: ast.expr) -> list[str]:
    """The constants an expression may come to, whatever its conditions compare."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    constant = isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    return [node.value] if constant and isinstance(node, ast.Constant) and isinstance(node.value, str) else []


GIVEN = sorted({pair for module in EDGE for pair in codes_in(module)})


def test_codes_are_found_at_all() -> None:
    found = {code for _, code in GIVEN}
    assert {"invalid_json", "image_too_large", "price_unknown", "model_not_found", "unknown_parameter"} <= found


@pytest.mark.parametrize(("called", "code"), [pair for pair in GIVEN if pair[1] != "key_invalid"])
def test_a_code_of_the_edge_is_described_with_its_status(called: str, code: str) -> None:
    assert code in ANSWERED
    if called in STATUSES and called not in {"InvalidRequest", "ProtocolError"}:
        assert ANSWERED[code] == STATUSES[called]


@pytest.mark.parametrize(
    "code",
    [
        *(kind.code for kind in vars(webhook_signatures).values() if hasattr(kind, "code")),
        *(kind.code for kind in (Erased, Unavailable, AssetStoreUnavailable, OtherVersion)),
        *(kind.code for kind in (MediaInspectionInterrupted, MediaInspectorUnavailable)),
    ],
)
def test_a_code_that_comes_from_further_in_is_described(code: str) -> None:
    assert code in ANSWERED


@pytest.mark.parametrize("code", [*(fault.value for fault in MediaFault), MediaInspectionTimeout.code])
def test_a_fault_of_media_is_described_as_an_end(code: str) -> None:
    assert code in ELSEWHERE


@pytest.mark.parametrize("code", sorted({code for module in BEHIND for _, code in codes_in(module)}))
def test_a_code_of_decisions_and_workers_is_described(code: str) -> None:
    assert code in ELSEWHERE | set(ANSWERED)


def renderer_codes() -> set[str]:
    """The codes that the tree of a renderer's errors names."""
    text = (PACKAGE / "renderers" / "errors.py").read_text("utf-8").partition("Codes,")[2].partition('"""')[0]
    return {code for code in codes(text.replace("\n  ", " ")) if CODE.fullmatch(code)}


@pytest.mark.parametrize("code", sorted(renderer_codes()))
def test_a_code_of_renderers_is_described(code: str) -> None:
    assert code in ELSEWHERE


@pytest.fixture(scope="module")
def program() -> str:
    """All of it: to read each file for each code takes longer than all other tests of errors."""
    rooms = ("bickford_sora", "ledger", "projections")
    return "\n".join(module.read_text("utf-8") for room in rooms for module in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("code", sorted(ELSEWHERE | set(ANSWERED)))
def test_no_code_is_described_that_is_not_in_the_program(program: str, code: str) -> None:
    is_there = f'"{code}"' in program
    assert is_there  # said in this way: nobody reads the program in a failure

"""The tour points at lines. They move; the tour must move with them."""

import re

import pytest

from ledger.events import TYPES
from tests.docs.pages import ROOT, codes

TOUR = ROOT / "docs" / "tour.md"
STOP = re.compile(r"\[`([\w.]+)`\]\(\.\./([^)#]+)#L(\d+)\)")
STOPS = STOP.findall(TOUR.read_text("utf-8"))


def line_of(symbol: str, path: str) -> int:
    """The number of the line that defines a symbol, from 1."""
    definition = re.compile(rf"\s*(?:async def|def|class|create function) {re.escape(symbol)}\b")
    lines = (ROOT / path).read_text("utf-8").splitlines()
    found = [number for number, line in enumerate(lines, start=1) if definition.match(line)]
    assert len(found) == 1, f"{path} defines {symbol} on the lines {found}: point at something that is there once"
    return found[0]


def test_the_tour_has_eight_stops_in_eight_files() -> None:
    assert len(STOPS) == len({path for _, path, _ in STOPS}) == 8


@pytest.mark.parametrize(("symbol", "path", "line"), STOPS)
def test_a_link_leads_to_the_line_it_names(symbol: str, path: str, line: str) -> None:
    right = line_of(symbol, path)
    assert int(line) == right, f"docs/tour.md: {symbol} is now at {path}#L{right}"


def test_what_is_said_to_be_recorded_are_facts() -> None:
    said = {
        code
        for code in codes(TOUR.read_text("utf-8"))
        if re.fullmatch(r"(render|submission|job|webhook|idempotency)\.\w+", code)
    }
    assert said
    assert said <= set(TYPES)

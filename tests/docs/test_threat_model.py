"""Every test that the threat model names exists."""

import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_every_threat_is_tried() -> None:
    threats = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| Threat")]
    assert len(threats) > 25
    assert all("`tests/" in row for row in threats)


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    path, _, function = name.partition("::")
    if path.endswith("/*"):
        assert [*(ROOT / path).parent.glob("test_*.py")]
        return
    source = (ROOT / path).read_text("utf-8")
    pattern = r"def test_" if function == "*" else rf"^def {function}\("
    assert re.search(pattern, source, flags=re.MULTILINE)

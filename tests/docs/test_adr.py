import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, sections, shown

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


def test_numbers_have_no_gaps() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=shown)
def test_a_record_has_its_parts(record: Path) -> None:
    text = record.read_text("utf-8")
    assert re.match(rf"# {record.name[:4]} \w", text)
    assert {"Context", "Decision", "Consequences", "Measured or tried"} <= set(sections(text, 2))


def test_the_list_names_every_record() -> None:
    listed = re.findall(r"\((\d{4}[^)]*\.md)\)", (FOLDER / "README.md").read_text("utf-8"))
    assert listed == [record.name for record in RECORDS]


def test_the_modules_that_import_httpx_are_those_the_record_names() -> None:
    record = next(each for each in RECORDS if each.name.startswith("0011"))
    named = set(re.findall(r"\[((?:\w+/)?\w+\.py)\]", record.read_text("utf-8")))
    importing = {
        str(module.relative_to(ROOT / "bickford_sora"))
        for module in (ROOT / "bickford_sora").rglob("*.py")
        if re.search(r"^(?:import|from) httpx\b", module.read_text("utf-8"), flags=re.MULTILINE)
    }
    assert importing == named

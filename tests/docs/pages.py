"""Reading the documentation: which files there are, and what is in a page."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
TEXT_SUFFIXES = frozenset({"", ".json", ".md", ".py", ".sql", ".svg", ".toml", ".txt", ".yaml", ".yml"})

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


def repository_files() -> list[Path]:
    """Every text file that is, or would be, committed."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout: which files belong to the project is not known")
    listed = subprocess.run(
        [git, "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    files = [ROOT / name for name in listed if name and Path(name).suffix in TEXT_SUFFIXES]
    assert files
    return [file for file in files if file.is_file()]


def markdown_files() -> list[Path]:
    """The README and every page below docs."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def shown(path: Path) -> str:
    """A file's name as a test's id."""
    return str(path.relative_to(ROOT))


def without_fences(text: str) -> str:
    """A page without its fenced code."""
    return _FENCE.sub("", text)


def fences(text: str, language: str) -> list[str]:
    """The fenced code of one language."""
    return [dedent(match[2]) for match in _FENCE.finditer(text) if match[1] == language]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(without_fences(page.read_text("utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def sections(text: str, level: int) -> dict[str, str]:
    """What stands below each heading of a level, by the heading without its code marks."""
    mark = "#" * level
    parts = re.split(rf"^{mark} (.+)$", without_fences(text), flags=re.MULTILINE)
    return {
        heading.replace("`", ""): re.split(rf"^#{{1,{level}}} ", body, maxsplit=1, flags=re.MULTILINE)[0]
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table's rows, without the header rows."""
    previous_was_rule = in_body = False
    for line in text.splitlines():
        if not line.startswith("|"):
            previous_was_rule = in_body = False
            continue
        previous_was_rule = set(line) <= set("|-: ")
        if in_body and not previous_was_rule:
            yield [cell.strip() for cell in line.strip("|").split("|")]
        in_body = in_body or previous_was_rule


def codes(cell: str) -> list[str]:
    """What a cell marks as code."""
    return _CODE.findall(cell)

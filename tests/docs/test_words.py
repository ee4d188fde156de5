import re
from pathlib import Path

from tests.docs.pages import ROOT, repository_files, sections, shown

GLOSSARY = ROOT / "docs" / "glossary.md"
NOT_USED = re.findall(r"[a-z]+", sections(GLOSSARY.read_text("utf-8"), 2)["Not used"].partition(".")[0])
SPEAKS_AS_OTHERS = {
    "bickford_sora/simulator/interference.py": "the words of a broken proxy",
    "bickford_sora/simulator/flavours/litellm.py": "the words of LiteLLM",
    "tests/console/chromium.py": "the words of Playwright",
}
HOSTS = tuple(
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
)
"""Where packages come from is everybody's own matter. (Put together here, so that this file holds none.)"""
HOME = re.compile(r"/(?:home|Users)/[a-z]+/|/root/\w")


def test_the_glossary_names_words_that_are_not_used() -> None:
    assert len(NOT_USED) >= 3


def test_words_that_are_not_used_are_not_used() -> None:
    pattern = re.compile(rf"\b(?:{'|'.join(NOT_USED)})(?:s|es|ed)?\b", re.IGNORECASE)
    assert _finds(pattern, besides={GLOSSARY, *(ROOT / name for name in SPEAKS_AS_OTHERS)}) == []


def test_no_file_names_a_package_registry_or_somebodys_home() -> None:
    hosts = re.compile("|".join(map(re.escape, HOSTS)))
    assert _finds(hosts) == []
    assert _finds(HOME, besides={Path(__file__)}) == []


def test_the_glossary_has_each_word_once() -> None:
    words = re.findall(r"^- \*\*(.+?)\*\*", GLOSSARY.read_text("utf-8"), flags=re.MULTILINE)
    assert len(words) > 40
    assert len(words) == len(set(words))


def _finds(pattern: re.Pattern[str], besides: set[Path] | None = None) -> list[str]:
    """Where a pattern occurs, as file:line."""
    return [
        f"{shown(file)}:{number}"
        for file in repository_files()
        if file not in (besides or set())
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]

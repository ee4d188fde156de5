import functools
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, markdown_files, shown, without_fences

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<(?:img|a)\s[^>]*?(?:src|href)=\"([^\"]+)\"")


@functools.cache
def links(page: Path) -> list[str]:
    """The relative links of a page. Read once: whether a page is reached is asked of all."""
    found = [first or second for first, second in LINK.findall(without_fences(page.read_text("utf-8")))]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def test_there_are_links_to_check() -> None:
    assert any(links(page) for page in markdown_files())


@pytest.mark.parametrize("page", markdown_files(), ids=shown)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


@functools.cache
def led_to(page: Path) -> set[Path]:
    """Where the links of a page lead. To resolve them all for each page that is asked for takes seconds."""
    return {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=shown)
def test_every_page_can_be_reached(page: Path) -> None:
    assert any(page in led_to(other) for other in markdown_files() if other != page)

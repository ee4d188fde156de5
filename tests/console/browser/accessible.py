"""What axe-core says of a page, as far as it keeps somebody out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

SERIOUS = frozenset({"serious", "critical"})
ROWS_MAX = 6
"""Rows of each table that are looked at; further ones are like them, and take as long again."""


def serious_findings(page: "Page") -> list[str]:
    """Each serious or critical finding in light, and what is wrong in dark: its rule, and where it is."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - comes with Playwright

    rows = {"exclude": [[f"tbody tr:nth-child(n+{ROWS_MAX + 1})"]]}
    told = {"resultTypes": ["violations"]}  # every rule is held to every element, and says where it found nothing wrong
    found = Axe().run(page, context=rows, options=told).response["violations"]
    page.emulate_media(color_scheme="dark")  # the page is the same, but for its colours
    contrast = {"runOnly": ["color-contrast"], **told}
    found += page.evaluate("([rows, contrast]) => axe.run(rows, contrast)", [rows, contrast])["violations"]
    return [_told(each, node) for each in found if each["impact"] in SERIOUS for node in each["nodes"]]


def _told(finding: dict[str, Any], node: dict[str, Any]) -> str:
    return f"{finding['id']}: {node['target']} {node.get('failureSummary', '')}"

"""Every page: small, quiet, asking nobody else, and open to whoever uses a screen reader or sees little contrast."""

from typing import TYPE_CHECKING

import pytest

from tests.console.browser.accessible import serious_findings
from tests.console.browsing import NO_PLAYWRIGHT, Served, Visitors
from tests.console.screenshots import PAGES, Shown, key_of

if TYPE_CHECKING:
    from playwright.sync_api import Response

pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT)
pytestmark = pytest.mark.xdist_group("browser")

PAGE_BYTES_MAX = 150_000
SCRIPT_BYTES_MAX = 60_000


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_a_page_keeps_nobody_out_and_is_small(visitors: Visitors, served: Served, shown: Shown) -> None:
    loaded: list[Response] = []

    def note(response: "Response") -> None:  # Playwright marks what it is given
        loaded.append(response)

    week = served.week
    visit = visitors.visit(key_of(week, shown.to))
    visit.page.on("response", note)
    page = visit.open(shown.path.format(finished=week.finished, batch=week.batch))
    visit.page.remove_listener("response", note)
    sizes = {each.url: len(each.body()) for each in loaded if "/live" not in each.url and each.status == 200}
    assert sum(sizes.values()) < PAGE_BYTES_MAX, sizes
    assert all(size < SCRIPT_BYTES_MAX for address, size in sizes.items() if ".js" in address), sizes
    assert serious_findings(page) == []
    assert visit.problems == []

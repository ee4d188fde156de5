"""Every page: small, quiet, asking nobody else, and open to whoever uses a screen reader or sees little contrast."""

from typing import TYPE_CHECKING

import pytest

from tests.console.browser.accessible import serious_findings
from tests.console.browsing import NO_PLAYWRIGHT, Served, watched
from tests.console.screenshots import PAGES, Shown, key_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Response

pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT)
pytestmark = pytest.mark.xdist_group("browser")

PAGE_BYTES_MAX = 150_000
SCRIPT_BYTES_MAX = 60_000


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_a_page_keeps_nobody_out_and_is_small(browser: "Browser", served: Served, shown: Shown) -> None:
    loaded: list[Response] = []
    week = served.week
    with watched(browser, served.url, key=key_of(week, shown.to), color_scheme="light") as visit:
        visit.page.on("response", lambda each: loaded.append(each))  # noqa: PLW0108 - it marks what it is given
        page = visit.open(shown.path.format(finished=week.finished, batch=week.batch))
        sizes = {each.url: len(each.body()) for each in loaded if "/live" not in each.url and each.status == 200}
        assert sum(sizes.values()) < PAGE_BYTES_MAX, sizes
        assert all(size < SCRIPT_BYTES_MAX for address, size in sizes.items() if ".js" in address), sizes
        assert serious_findings(page) == []
        assert visit.problems == []

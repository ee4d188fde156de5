"""What only a browser shows: scripts, styles and the keyboard under the pages' own policy; by roles and tenants."""

from typing import TYPE_CHECKING

import pytest

from tests.console.browsing import NO_PLAYWRIGHT, PLAYED, PLAYED_S, Served, Visitors, asked_for
from tests.http.films import mp4
from tests.http.houses import FOREIGN_KEY, KEY

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect
pytestmark = pytest.mark.xdist_group("browser")

HOSTILE = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"


def test_a_row_and_a_page_follow_without_a_reload(visitors: Visitors, served: Served) -> None:
    kit, url = served.kit, served.url
    video_id = asked_for(url, "A harbour in the mist")
    visit = visitors.visit(KEY)
    page = visit.open("/renders")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    state = page.locator(f"#{video_id} .state")
    expect(state).to_have_text("waiting")
    kit.submit(video_id)
    kit.progress(video_id, 40)
    expect(state).to_have_text("in progress 40 %")
    page.get_by_role("link", name="A harbour in the mist").click()
    expect(page.locator("[data-connection]")).to_have_text("Live")
    kit.complete(video_id)
    kit.store(video_id, mp4(160, 90, 8))
    expect(page.locator("#render .state").first).to_have_text("completed")
    assert page.locator("video").evaluate(PLAYED) > PLAYED_S
    assert visit.problems == []


def test_who_may_not_change_is_offered_nothing_to_change(visitors: Visitors, served: Served) -> None:
    video_id = asked_for(served.url, "To be looked at by two")
    offered = {KEY: 1, served.auditor: 0}
    for key, count in offered.items():
        visit = visitors.visit(key)
        page = visit.open(f"/renders/{video_id}")
        expect(page.locator("h1")).to_have_text("To be looked at by two")
        expect(page.get_by_role("button", name="Cancel…")).to_have_count(count)
        expect(page.get_by_role("link", name="New", exact=True)).to_have_count(count)
        assert visit.problems == []


def test_another_tenant_sees_and_hears_nothing(visitors: Visitors, served: Served) -> None:
    url = served.url
    visit = visitors.visit(FOREIGN_KEY)
    page = visit.open("/renders")
    expect(page.locator("[data-connection]")).to_have_text("Live")
    video_id = asked_for(url, "Nobody else's business")
    expect(page.locator("tr[data-row]")).to_have_count(0)
    expect(page.locator("[data-news]")).to_be_hidden()
    assert visit.problems == []
    answer = page.goto(f"{url}/renders/{video_id}")
    assert answer is not None
    assert answer.status == 404


def test_a_hostile_prompt_runs_nothing(visitors: Visitors, served: Served) -> None:
    url = served.url
    video_id = asked_for(url, HOSTILE)
    visit = visitors.visit(KEY)
    page = visit.open("/renders")
    expect(page.locator(f"#{video_id} .prompt > a")).to_have_text(HOSTILE)
    visit.open(f"/renders/{video_id}")
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert page.evaluate("window.hit") is None
    assert visit.problems == []


def test_a_render_is_cancelled_behind_a_question(visitors: Visitors, served: Served) -> None:
    kit, url = served.kit, served.url
    video_id = asked_for(url, "To be cancelled")
    visit = visitors.visit(KEY)
    page = visit.open(f"/renders/{video_id}")
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Not now").click()
    assert not kit.render(video_id).deleted
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the render").click()
    expect(page.get_by_role("status").first).to_have_text("The render was cancelled.")
    assert kit.render(video_id).deleted
    assert visit.problems == []


def test_the_list_is_walked_by_keys_alone(visitors: Visitors, served: Served) -> None:
    url = served.url
    older, newer = asked_for(url, "The older"), asked_for(url, "The newer")
    visit = visitors.visit(KEY)
    page = visit.open("/renders")
    page.keyboard.press("j")
    assert _focused(page) == f"/renders/{newer}"
    page.keyboard.press("j")
    assert _focused(page) == f"/renders/{older}"
    outline = "each => { const style = getComputedStyle(each); return [style.outlineStyle, style.outlineWidth] }"
    style, width = page.locator(":focus").evaluate(outline)
    assert style != "none"
    assert width != "0px"
    page.keyboard.press("k")
    assert _focused(page) == f"/renders/{newer}"
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()
    page.locator("[data-search]").blur()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/renders/video_*")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(f"{url}/renders")
    assert visit.problems == []


def test_what_a_page_says_is_noticed_from_its_beginning_and_what_the_last_one_says_at_its_end_is_not(
    visitors: Visitors, served: Served
) -> None:
    page = visitors.visit(KEY).page
    then = "<script>console.error('early')</script><img src='http://127.0.0.2:9/elsewhere'>"
    page.route(f"{served.url}/next", lambda route: route.fulfill(body=then, content_type="text/html"))
    visitors.visit(KEY).open("/renders")
    noticed = visitors.visit(KEY)
    page.evaluate("console.error('late')")
    noticed.open("/next")
    page.unroute_all()
    assert {"early", "asked http://127.0.0.2:9/elsewhere"} <= {*noticed.problems}
    assert "late" not in noticed.problems


def _focused(page: "Page") -> str | None:
    return page.locator(":focus").get_attribute("href")

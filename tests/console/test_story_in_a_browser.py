"""A render as people see it in Chromium: asked for, approved by another, followed, played; by roles and tenants."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response, expect

from bickford_sora.http.serving import ServerThread
from tests.console.accessible import serious_findings
from tests.console.browsing import PLAYED, PLAYED_S, asked_for, watched
from tests.console.screenshots import PAGES, Shown
from tests.console.visits import let_many_sign_in, make_console_kit
from tests.http.films import mp4
from tests.http.houses import FOREIGN_KEY, KEY, ROOT_KEY, Kit
from tests.http.test_approvals import held_by

pytestmark = pytest.mark.xdist_group("browser")

PAGE_BYTES_MAX = 150_000
SCRIPT_BYTES_MAX = 60_000


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Kit, str, dict[str, str]]]:
    # Before the browser: while that runs, this thread has an event loop, and the house is asked over HTTP alone.
    kit = held_by(let_many_sign_in(make_console_kit()), "wait")
    keys = {role: kit.issue(role) for role in ("approver", "auditor")}
    with ServerThread(kit.app, on_stopping=kit.house.tide.closing.set) as server:
        yield kit, server.url, keys


def test_from_request_through_approval_to_playback(served: tuple[Kit, str, dict[str, str]], browser: Browser) -> None:
    kit, url, keys = served
    video_id = asked_for(url, "Ferries in the fog", seconds="8")
    with watched(browser, url) as requester, watched(browser, url) as approver:
        page = requester.sign_in()
        state = page.locator(f"#{video_id} .state")
        expect(page.locator("[data-connection]")).to_have_text("Live")
        expect(state).to_have_text("needs approval")
        approver.sign_in(keys["approver"])
        assert _approved(url, video_id, keys["approver"]) == 200
        expect(state).to_have_text("waiting")
        kit.submit(video_id, job_id="job_story")
        kit.progress(video_id, 55)
        expect(state).to_have_text("in progress 55 %")
        kit.complete(video_id)
        kit.store(video_id, mp4(160, 90, 8))
        expect(state).to_have_text("completed")
        for visit in (requester, approver):
            visit.open(f"/renders/{video_id}")
            assert visit.page.locator("video").evaluate(PLAYED) > PLAYED_S
        expect(approver.page.get_by_role("button", name="Delete…")).to_have_count(0)
        expect(requester.page.get_by_role("button", name="Delete…")).to_have_count(1)
        assert requester.problems == approver.problems == []


def _approved(url: str, video_id: str, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    approval = httpx.get(f"{url}/v1/videos/{video_id}", headers=headers).json()["approval"]["id"]
    body = {"decision": "approve", "reason": "It is fine."}
    return httpx.post(f"{url}/v1/approvals/{approval}", json=body, headers=headers).status_code


def test_another_tenant_sees_and_hears_nothing(served: tuple[Kit, str, dict[str, str]], browser: Browser) -> None:
    _, url, _ = served
    with watched(browser, url) as visit:
        page = visit.sign_in(FOREIGN_KEY)
        expect(page.locator("[data-connection]")).to_have_text("Live")
        video_id = asked_for(url, "Nobody else's business")
        expect(page.locator("tr[data-row]")).to_have_count(0)
        expect(page.locator("[data-news]")).to_be_hidden()
        assert visit.problems == []
        answer = page.goto(f"{url}/renders/{video_id}")
        assert answer is not None
        assert answer.status == 404


def test_the_list_is_walked_by_keys_alone(served: tuple[Kit, str, dict[str, str]], browser: Browser) -> None:
    _, url, _ = served
    older, newer = asked_for(url, "The older"), asked_for(url, "The newer")
    with watched(browser, url) as visit:
        page = visit.sign_in()
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


def _focused(page: Page) -> str | None:
    return page.locator(":focus").get_attribute("href")


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_a_page_keeps_nobody_out_and_is_small(
    served: tuple[Kit, str, dict[str, str]], browser: Browser, shown: Shown
) -> None:
    _, url, _ = served
    video_id = asked_for(url, "To be looked at")
    loaded: list[Response] = []
    with watched(browser, url, color_scheme="light") as visit:
        if shown.name != "login":
            visit.sign_in(ROOT_KEY if shown.as_root else KEY)
            visit.page.goto("about:blank")  # what the page before still loads is not counted
        visit.page.on("response", lambda each: loaded.append(each))  # noqa: PLW0108 - it marks what it is given
        page = visit.open(shown.path.format(video_id=video_id))
        sizes = {each.url: len(each.body()) for each in loaded if "/live" not in each.url and each.status == 200}
        assert sum(sizes.values()) < PAGE_BYTES_MAX, sizes
        assert all(size < SCRIPT_BYTES_MAX for address, size in sizes.items() if ".js" in address), sizes
        assert serious_findings(page) == []
        page.emulate_media(color_scheme="dark")
        assert serious_findings(page) == []
        assert visit.problems == []

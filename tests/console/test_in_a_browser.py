"""What only a browser shows: scripts, styles and playback under the pages' own policy."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from bickford_sora.http.serving import ServerThread
from tests.console.browsing import asked_for, watched
from tests.console.visits import make_console_kit
from tests.http.films import mp4
from tests.http.houses import Kit

pytestmark = pytest.mark.xdist_group("browser")

PLAYED_S = 0.2
PLAYED = f"""film => new Promise(resolve => {{
    film.muted = true
    film.addEventListener("timeupdate", () => {{ if (film.currentTime > {PLAYED_S}) resolve(film.currentTime) }})
    film.play()
}})"""
"""Plays a video until it has come somewhere, and tells how far. The page's policy lets no text be run in a loop."""
HOSTILE = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Kit, str]]:
    kit = make_console_kit()
    with ServerThread(kit.app, on_stopping=kit.house.tide.closing.set) as server:
        yield kit, server.url


def test_a_render_is_followed_and_played_without_a_reload(browser: Browser, served: tuple[Kit, str]) -> None:
    kit, url = served
    video_id = asked_for(url, "Harbour at dawn")
    with watched(browser, url) as visit:
        page = visit.sign_in()
        expect(page.locator("[data-connection]")).to_have_text("Live")
        state = page.locator(f"#{video_id} .state")
        expect(state).to_have_text("waiting")
        kit.submit(video_id)
        kit.progress(video_id, 40)
        expect(state).to_have_text("in progress 40 %")
        page.get_by_role("link", name="Harbour at dawn").click()
        expect(page.locator("[data-connection]")).to_have_text("Live")
        kit.complete(video_id)
        kit.store(video_id, mp4(160, 90, 8))
        expect(page.locator("#render .state").first).to_have_text("completed")
        assert page.locator("video").evaluate(PLAYED) > PLAYED_S
        assert visit.problems == []


def test_a_hostile_prompt_runs_nothing(browser: Browser, served: tuple[Kit, str]) -> None:
    _, url = served
    video_id = asked_for(url, HOSTILE)
    with watched(browser, url) as visit:
        page = visit.sign_in()
        expect(page.locator(f"#{video_id} .prompt > a")).to_have_text(HOSTILE)
        visit.open(f"/renders/{video_id}")
        expect(page.locator("h1")).to_have_text(HOSTILE)
        assert page.evaluate("window.hit") is None
        assert visit.problems == []


def test_a_render_is_cancelled_behind_a_question(browser: Browser, served: tuple[Kit, str]) -> None:
    kit, url = served
    video_id = asked_for(url, "To be cancelled")
    with watched(browser, url) as visit:
        page = visit.sign_in()
        visit.open(f"/renders/{video_id}")
        page.get_by_role("button", name="Cancel…").click()
        page.get_by_role("button", name="Not now").click()
        assert not kit.render(video_id).deleted
        page.get_by_role("button", name="Cancel…").click()
        page.get_by_role("button", name="Cancel the render").click()
        expect(page.get_by_role("status").first).to_have_text("The render was cancelled.")
        assert kit.render(video_id).deleted
        assert visit.problems == []

"""A page in a browser, watched: what it says on its console, and whom it asks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from tests.console.busy_week import Week
from tests.console.chromium import PATIENCE_MS
from tests.http.houses import KEY, Kit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

NO_PLAYWRIGHT = "there is no Playwright here: it comes with the extra dev"

ASKED = "asked "
PLAYED_S = 0.2
PLAYED = f"""film => new Promise(resolve => {{
    film.muted = true
    film.addEventListener("timeupdate", () => {{ if (film.currentTime > {PLAYED_S}) resolve(film.currentTime) }})
    film.play()
}})"""
"""Plays a video until it has come somewhere, and tells how far. The page's policy lets no text be run in a loop."""


@dataclass(frozen=True)
class Served:
    """A house in memory that answers browsers."""

    week: Week
    url: str
    """Without a path."""
    auditor: str
    """API key of somebody who only reads."""

    @property
    def kit(self) -> Kit:
        """What it stands on."""
        return self.week.kit


@dataclass
class Watched:
    """A page, and what was noticed of it."""

    page: "Page"
    url: str
    """Of the server, without a path."""
    problems: list[str] = field(default_factory=list)
    """Errors on its console, and requests to other hosts."""

    def open(self, path: str) -> "Page":
        """Goes to a page of the console."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def sign_in(self, key: str = KEY) -> "Page":
        """Signs in by the form."""
        page = self.open("/login")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/renders")
        return page

    def forget_the_last(self) -> None:
        """What the page says until the next one is there is not the next one's; whom it asks is wrong either way.

        To go by way of an empty page takes a browser half as long again as to load the next one: it changes processes.
        """
        self.problems.clear()
        self.page.once("framenavigated", lambda _: self._begin())

    def _begin(self) -> None:
        self.problems[:] = [each for each in self.problems if each.startswith(ASKED)]

    def hear(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def see(self, request: "Request") -> None:
        if urlsplit(request.url).netloc not in {urlsplit(self.url).netloc, ""}:
            self.problems.append(f"{ASKED}{request.url}")


def signed_in(url: str, key: str) -> list[dict[str, str]]:
    """The cookies of somebody who signed in with this key, as Playwright takes them."""
    answer = httpx.post(f"{url}/login", data={"api_key": key})
    assert answer.status_code == 303, answer.text
    return [{"name": name, "value": value, "url": url} for name, value in answer.cookies.items()]


def asked_for(url: str, prompt: str, *, key: str = KEY, **fields: str) -> str:
    """The id of a new video, asked for at a served house as a client asks."""
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{url}/v1/videos", json={"prompt": prompt, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@contextmanager
def watched(browser: "Browser", url: str, *, key: str | None = None, **look: Any) -> Iterator[Watched]:
    """A page of its own, with cookies of its own: those of who signed in with `key`.

    `look` is what Playwright's contexts take.
    """
    context = browser.new_context(**look)
    context.set_default_timeout(PATIENCE_MS)
    if key is not None:
        context.add_cookies(signed_in(url, key))
    page = context.new_page()
    found = Watched(page, url)
    page.on("console", found.hear)
    page.on("pageerror", lambda error: found.problems.append(str(error)))
    page.on("request", found.see)
    try:
        yield found
    finally:
        context.close()


class Visitors:
    """People who come again: each has one page.

    To begin with a page of its own takes a browser longer than most tests: a process, and every script compiled anew.
    """

    def __init__(self, browser: "Browser", url: str, stack: ExitStack) -> None:
        self._browser = browser
        self._url = url
        self._stack = stack
        self._pages: dict[str | None, Watched] = {}

    def visit(self, key: str | None) -> Watched:
        """The page of who signed in with `key`, in light. Nothing was noticed of it yet, nothing is cached."""
        if key not in self._pages:
            self._pages[key] = self._begin(key)
        found = self._pages[key]
        found.page.emulate_media(color_scheme="light")
        found.forget_the_last()
        return found

    def _begin(self, key: str | None) -> Watched:
        found = self._stack.enter_context(watched(self._browser, self._url, key=key))
        devtools = found.page.context.new_cdp_session(found.page)
        devtools.send("Network.enable")
        devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
        return found

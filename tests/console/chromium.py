"""The system's Chromium, as the tests and the pictures of the console drive it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


def found() -> str | None:
    """Where it is; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(path: str) -> "Iterator[Browser]":
    """A browser without a window. While it runs, this thread has an event loop, and can have no other."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where it is not installed, tests are skipped

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()

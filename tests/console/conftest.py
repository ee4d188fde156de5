"""The console under test: without a socket, and in a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.console.visits import make_console_kit
from tests.http.houses import Kit

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


@pytest.fixture
def kit() -> Kit:
    return make_console_kit()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless.

    While it runs, the thread has an event loop: tests with a browser ask a served house (`browsing.asked_for`).
    """
    found = next((each for each in CHROMIUM if Path(each).exists()), shutil.which("chromium"))
    if found is None:
        pytest.skip("there is no Chromium here: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()

"""One browser and one house for all tests in Chromium."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bickford_sora.http.serving import ServerThread
from tests.console.browsing import Served, Visitors
from tests.console.busy_week import a_busy_week
from tests.console.chromium import chromium, found

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    """A house in memory and a busy week in it, behind a socket.

    It is made before the browser: while that runs, this thread has an event loop, and asks the house over HTTP alone.
    """
    week = a_busy_week()
    auditor = week.kit.issue("auditor")
    with ServerThread(week.kit.app, on_stopping=week.kit.house.tide.closing.set) as server:
        yield Served(week, server.url, auditor)


@pytest.fixture(scope="package")
def browser(served: Served) -> "Iterator[Browser]":
    """The system's Chromium."""
    assert served.url
    path = found()
    if path is None:
        pytest.skip("there is no Chromium here: install the package chromium")
    with chromium(path) as browser:
        yield browser


@pytest.fixture(scope="package")
def visitors(browser: "Browser", served: Served) -> Iterator[Visitors]:
    """Who visits the house."""
    with ExitStack() as stack:
        yield Visitors(browser, served.url, stack)

"""One browser and one house for all tests in Chromium."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from bickford_sora.http.serving import ServerThread
from tests.console.browsing import Served
from tests.console.chromium import chromium, found
from tests.console.visits import make_console_kit
from tests.http.test_approvals import held_by

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    """A house in memory, behind a socket, where renders of 8 seconds and more need approval.

    It is made before the browser: while that runs, this thread has an event loop, and asks the house over HTTP alone.
    """
    kit = held_by(make_console_kit(), "wait")
    keys = {role: kit.issue(role) for role in ("approver", "auditor")}
    with ServerThread(kit.app, on_stopping=kit.house.tide.closing.set) as server:
        yield Served(kit, server.url, keys)


@pytest.fixture(scope="package")
def browser(served: Served) -> "Iterator[Browser]":
    """The system's Chromium."""
    assert served.url
    path = found()
    if path is None:
        pytest.skip("there is no Chromium here: install the package chromium")
    with chromium(path) as browser:
        yield browser

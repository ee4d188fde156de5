"""The console under test: without a socket, and in a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from joserfc.jwk import Key
from playwright.sync_api import Browser, sync_playwright

from tests.console import issuer as issuers
from tests.console.issuer import SimulatedIssuer
from tests.console.sign_ins import configure
from tests.console.visits import make_console_kit
from tests.http.houses import Kit

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


@pytest.fixture
def kit() -> Kit:
    return make_console_kit()


@pytest.fixture(scope="module")
def issuer_key() -> Key:
    return issuers.rsa_key()


@pytest.fixture(scope="module")
def issuers_site() -> Iterator[tuple[str, FastAPI]]:
    """Where an issuer is, and its application."""
    with issuers.served() as found:
        yield found


@pytest.fixture
def issuer(kit: Kit, issuers_site: tuple[str, FastAPI], issuer_key: Key) -> SimulatedIssuer:
    """An issuer whose people the house takes."""
    url, app = issuers_site
    app.state.issuer = SimulatedIssuer(url, kit.clock, issuer_key)
    configure(kit, app.state.issuer)
    return app.state.issuer  # type: ignore[no-any-return]


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

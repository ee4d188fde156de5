"""The console under test, without a socket."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from joserfc.jwk import Key

from tests.console import issuer as issuers
from tests.console.issuer import SimulatedIssuer
from tests.console.sign_ins import configure
from tests.console.visits import make_console_kit
from tests.http.houses import Kit


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

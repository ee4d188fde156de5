"""The house under test: without a socket, and served over one."""

from collections.abc import Iterator

import pytest

from bickford_sora.http.serving import ServerThread
from tests.http.houses import Kit, make_kit


@pytest.fixture
def kit() -> Kit:
    return make_kit()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Kit, str]]:
    """A house over a real socket, shared by a module's tests; each uses renders of its own."""
    kit = make_kit()
    with ServerThread(kit.app) as server:
        yield kit, server.url

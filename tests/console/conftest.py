"""The console under test, without a socket."""

import pytest

from tests.console.visits import make_console_kit
from tests.http.houses import Kit


@pytest.fixture
def kit() -> Kit:
    return make_console_kit()

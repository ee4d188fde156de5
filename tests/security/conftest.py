import pytest

from tests.http.houses import Kit, make_kit


@pytest.fixture
def kit() -> Kit:
    """A house over a ledger in memory."""
    return make_kit()

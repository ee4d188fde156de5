from collections.abc import Iterator

import pytest

from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.memory import MemoryRecorder
from ledger.recorder import PostgresRecorder
from ledger.sending import Pool
from tests.benchmarks.database import temporary_database

POOL_CONNECTIONS_MAX = 6


@pytest.fixture
def ledger_url(server_url: str, ledger_template: str) -> Iterator[str]:
    """The address of a database with a new, empty ledger."""
    with temporary_database(server_url, like=ledger_template) as url:
        yield url


@pytest.fixture
def ledger_pool(ledger_url: str) -> Iterator[Pool]:
    with open_pool(ledger_url, size_max=POOL_CONNECTIONS_MAX) as pool:
        yield pool


@pytest.fixture
def recorder(ledger_pool: Pool) -> Iterator[PostgresRecorder]:
    recorder = PostgresRecorder(ledger_pool)
    yield recorder
    recorder.close()


@pytest.fixture
def ledger(recorder: PostgresRecorder) -> Ledger:
    """A ledger in PostgreSQL."""
    return Ledger(recorder)


@pytest.fixture(params=["postgres", "memory"])
def any_ledger(request: pytest.FixtureRequest) -> Ledger:
    """A ledger on each recorder: what is asked of one is asked of all."""
    if request.param == "memory":
        return Ledger(MemoryRecorder())
    return request.getfixturevalue("ledger")

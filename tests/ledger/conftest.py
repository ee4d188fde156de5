from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest
from hypothesis import settings

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.memory import MemoryRecorder
from ledger.recorder import PostgresRecorder
from ledger.sending import Pool
from tests.benchmarks.database import temporary_database

POOL_CONNECTIONS_MAX = 6

settings.register_profile("ledger", deadline=None)  # a busy machine is slow now and then, and that is no failure
settings.load_profile("ledger")


@pytest.fixture(scope="session")
def shared_database_url(server_url: str) -> Iterator[str]:
    """The address of one database for all tests of the ledger; making one a test would take most of their time."""
    with temporary_database(server_url) as url:
        yield url


@pytest.fixture
def ledger_url(shared_database_url: str) -> str:
    """The address of a database with a new, empty ledger."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS ledger CASCADE")
    migrate(shared_database_url, files("ledger.migrations"), schema="ledger")
    return shared_database_url


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

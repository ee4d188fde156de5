from collections.abc import Iterator  # noqa: INP001 - tests/ holds rooms, it is no package
from importlib.resources import files

import pytest
from render_histories import Author, Tables

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.recorder import PostgresRecorder
from projections.api_keys import API_KEYS
from projections.audit import AUDIT
from projections.endpoints import ENDPOINTS
from projections.lineage import LINEAGE
from projections.port import Pool, Projection
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.spend import SPEND
from projections.videos import VIDEOS
from projections.work import WORK

POOL_CONNECTIONS_MAX = 12


@pytest.fixture
def ledger_database(database_url: str) -> str:
    """The address of a database with an empty ledger."""
    migrate(database_url, files("ledger.migrations"), schema="ledger")
    return database_url


@pytest.fixture
def pool(ledger_database: str) -> Iterator[Pool]:
    with open_pool(ledger_database, size_max=POOL_CONNECTIONS_MAX) as pool:
        yield pool


@pytest.fixture
def ledger(pool: Pool) -> Iterator[Ledger]:
    recorder = PostgresRecorder(pool)
    yield Ledger(recorder)
    recorder.close()


@pytest.fixture
def projections() -> list[Projection]:
    return [VIDEOS, LINEAGE, AUDIT, WORK, ENDPOINTS, API_KEYS, SPEND]


@pytest.fixture
def projector(ledger: Ledger, pool: Pool, projections: list[Projection]) -> Projector:
    """A projector whose tables are there and empty."""
    projector = Projector(ledger, pool, projections)
    assert projector.ensure() == []
    return projector


@pytest.fixture
def rebuild(ledger: Ledger, pool: Pool, projections: list[Projection], projector: Projector) -> Rebuild:
    return Rebuild(ledger, pool, projections)


@pytest.fixture
def author(ledger: Ledger) -> Author:
    return Author(ledger)


@pytest.fixture
def tables(pool: Pool, projections: list[Projection]) -> Tables:
    return Tables(pool, projections)

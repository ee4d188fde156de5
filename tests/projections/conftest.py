from collections.abc import Iterator  # noqa: INP001 - tests/ holds rooms, it is no package
from contextlib import closing

import pytest
from psycopg.conninfo import conninfo_to_dict
from render_histories import Author, Tables

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
from tests.benchmarks.database import temporary_database

POOL_CONNECTIONS_MAX = 12
ALL = (VIDEOS, LINEAGE, AUDIT, WORK, ENDPOINTS, API_KEYS, SPEND)


@pytest.fixture(scope="session")
def template(server_url: str, ledger_template: str) -> Iterator[str]:
    """The name of a database with an empty ledger and the empty tables that follow it, to be copied."""
    with temporary_database(server_url, like=ledger_template) as url:
        with open_pool(url, size_max=2) as pool, closing(PostgresRecorder(pool)) as recorder:
            assert Projector(Ledger(recorder), pool, ALL).ensure() == []
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def ledger_database(server_url: str, template: str) -> Iterator[str]:
    """The address of a database with an empty ledger."""
    with temporary_database(server_url, like=template) as url:
        yield url


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
    return [*ALL]


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

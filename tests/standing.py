"""What tests stand on: one PostgreSQL server for the whole run, and a fresh database for every test that asks for one.

A plugin of pytest in each process that runs tests; see conftest.py.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.migrations import migrate
from tests.benchmarks.database import temporary_database
from tests.cli.commands import Served, served
from tests.logs import log_plainly
from tests.trying import register_profiles

register_profiles()
log_plainly()

_STANDING = ExitStack()
_SHARED: list[Served] = []
"""The shared server, while it runs."""


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a server where the tests may create databases."""
    given = os.environ.get("BICKFORD_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.gettempdir())  # of the run: its processes share it, and the server
    with EmbeddedPostgres.acquire(folder / "server") as server:
        _forget_everything_at_a_power_cut(server.url)
        yield server.url


def _forget_everything_at_a_power_cut(url: str) -> None:
    """Nothing of a run's server is kept. Dropping a database, say, waits for a second for the disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def shared_server() -> Served:
    """A `serve --simulator` for everybody who is not disturbed by the videos of others; they are of one xdist_group."""
    if not _SHARED:
        _SHARED.append(_STANDING.enter_context(served()))
    return _SHARED[0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """End the shared server with the last test in a row that wants it: asked by nobody, it computes on to the end."""
    if "shared_server" not in getattr(nextitem, "fixturenames", ()):
        _end_shared_server()


def pytest_sessionfinish() -> None:
    """End it in any case: a run that is broken off has no last test."""
    _end_shared_server()


def _end_shared_server() -> None:
    _SHARED.clear()
    _STANDING.close()


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with temporary_database(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def ledger_template(server_url: str) -> Iterator[str]:
    """The name of a database with an empty ledger, to be copied: to migrate takes as long as a test."""
    with temporary_database(server_url) as url:
        migrate(url, files("ledger.migrations"), schema="ledger")
        yield str(conninfo.conninfo_to_dict(url)["dbname"])

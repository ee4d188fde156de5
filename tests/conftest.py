"""One PostgreSQL server for the whole run, and a fresh database for every test that asks for one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from bickford_sora.database.embedded import EmbeddedPostgres
from tests.benchmarks.database import temporary_database
from tests.cli.commands import Served, served
from tests.logs import log_plainly
from tests.temporary import temporary_folder

settings.register_profile("untimed", settings(), deadline=None)  # a busy machine is no defect
settings.register_profile("long", deadline=None)  # for nights: see tests/fuzz
settings.load_profile("untimed")

_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Log plainly, and make a folder for all that is temporary, once; xdist's workers are told (below) and share it."""
    log_plainly()
    if hasattr(config, "workerinput"):
        config.stash[_FOLDER] = Path(config.workerinput["folder"])
        return
    folder = temporary_folder()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)  # for this process, and for those it starts
    config.stash[_FOLDER] = folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left with it at the end while the others have nothing."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the server is."""
    node.workerinput["folder"] = str(node.config.stash[_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder; the workers have ended before this runs."""
    if not hasattr(config, "workerinput") and _FOLDER in config.stash:
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of a server where the tests may create databases."""
    given = os.environ.get("BICKFORD_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with EmbeddedPostgres.acquire(pytestconfig.stash[_FOLDER] / "server") as server:
        _forget_everything_at_a_power_cut(server.url)
        yield server.url


def _forget_everything_at_a_power_cut(url: str) -> None:
    """Nothing of a run's server is kept. Dropping a database, say, waits for a second for the disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Served]:
    """A `serve --simulator` for everybody who is not disturbed by the videos of others; they are of one xdist_group."""
    with served() as running:
        yield running


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with temporary_database(server_url) as url:
        yield url

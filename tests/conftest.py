"""One PostgreSQL server for the whole run, and a fresh database for every test that asks for one."""

import gc
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from psycopg import conninfo, sql

from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.migrations import migrate
from tests.authorities import trust_one_authority
from tests.benchmarks.database import temporary_database
from tests.cli.commands import Served, served
from tests.logs import log_plainly
from tests.temporary import temporary_folder

settings.register_profile("untimed", settings(), deadline=None)  # a busy machine is no defect
settings.register_profile("long", deadline=None)  # for nights: see tests/fuzz
settings.load_profile("untimed")

PORTION = 8
"""Tests of a module that one process is given at once."""
_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Log plainly, and make a folder for all that is temporary, once; xdist's workers are told (below) and share it."""
    log_plainly()
    _keep_compiled()
    if hasattr(config, "workerinput"):
        config.stash[_FOLDER] = Path(config.workerinput["folder"])
        return
    folder = temporary_folder()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)  # for this process, and for those it starts
    trust_one_authority(folder)
    config.stash[_FOLDER] = folder


def _keep_compiled() -> None:
    """Keep what was compiled, whatever the environment says: a run starts hundreds of processes, as installed ones."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave garbage alone while tests are collected, and what was collected ever after: all of it is kept anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in an order and in portions that keep all processes busy.

    What takes long begins, so that none is left with it at the end while the others have nothing, and what is over in
    milliseconds ends. Of that a process gets a portion at a time: to ask for each takes longer than the test.
    """
    items.sort(key=_place)
    seen: Counter[Path] = Counter()
    for item in items:
        if item.get_closest_marker("slow") is None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{seen[item.path] // PORTION}"))
            seen[item.path] += 1


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("slow"):
        return 0
    if item.get_closest_marker("xdist_group"):
        return 1
    return 2 if "server_url" in getattr(item, "fixturenames", ()) else 3


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


@pytest.fixture(scope="session")
def ledger_template(server_url: str) -> Iterator[str]:
    """The name of a database with an empty ledger, to be copied: to migrate takes as long as a test."""
    with temporary_database(server_url) as url:
        migrate(url, files("ledger.migrations"), schema="ledger")
        yield str(conninfo.conninfo_to_dict(url)["dbname"])

"""How a run goes: what its processes share, what they collect, and in which order tests are given out."""

import gc
import importlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.authorities import trust_one_authority
from tests.temporary import temporary_folder

PORTION = 8
"""Tests of a module that one process is given at once."""
COLLECTED_AT = 10_000
"""New objects that Python's collector waits for, as in a server: it looks in vain at most of what tests make."""
_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Make a folder for all that is temporary, once; the processes that run tests share it.

    What tests stand on is imported by those alone. Who only gives tests out has them wait until it is ready.
    """
    _keep_compiled()
    is_given_tests = hasattr(config, "workerinput")
    if is_given_tests or config.getoption("dist", "no") == "no":
        config.pluginmanager.import_plugin("tests.standing")
    elif config.getoption("--hypothesis-profile", None):
        importlib.import_module("tests.trying").register_profiles()  # who gives tests out is asked for it, too
    if is_given_tests:
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
        gc.set_threshold(COLLECTED_AT)
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


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder; the workers have ended before this runs."""
    if _FOLDER in config.stash:
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)

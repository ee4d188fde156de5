import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.clusters import copy_cluster

from .processes import Home


@pytest.fixture
def parent() -> Iterator[Path]:
    """A folder anybody may pass through; pytest's tmp_path lies under one that is 0700."""
    with _open_folder() as folder:
        yield folder


@pytest.fixture
def fresh_home(parent: Path) -> Iterator[Home]:
    """A data folder that does not exist yet."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("looks at processes through /proc")
    home = Home(parent / "data")
    yield home
    for user in home.processes:
        user.dispose()
    for pid in home.guardians() + home.postmasters():  # only if a test failed half-way
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def home(fresh_home: Home) -> Home:
    """A data folder with a cluster that was never used."""
    copy_cluster(fresh_home.data_dir)
    return fresh_home


@contextmanager
def _open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bickford-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)

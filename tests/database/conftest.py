import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bickford_sora.database.embedded import EmbeddedPostgres

from .processes import Home


@pytest.fixture(scope="session")
def made_cluster() -> Iterator[Path]:
    """A data folder with a fresh cluster, made once and copied: that takes a tenth of the time."""
    with _open_folder() as folder:
        EmbeddedPostgres.acquire(folder / "data").close()
        yield folder / "data"


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
def home(fresh_home: Home, made_cluster: Path) -> Home:
    """A data folder with a cluster that was never used."""
    # Not shutil: as root the copy has to keep its owners.
    subprocess.run(["cp", "-a", made_cluster, fresh_home.data_dir], check=True)  # noqa: S607 - our own folders
    return fresh_home


@contextmanager
def _open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bickford-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)

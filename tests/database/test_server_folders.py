"""Whose folders the server touches, and whose it must not."""

import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.errors import FolderOwnerError, FolderUnreachableError, SocketFolderUnsafeError
from bickford_sora.database.layout import Layout, prepare_socket_folder
from bickford_sora.database.serveruser import ServerUser, choose_server_user, require_reachable

from .processes import REPOSITORY, WITH_OUR_PACKAGES, Home, select, wait_until

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
NOBODY_ID = 65534
OURSELVES = ServerUser("ourselves", os.geteuid(), os.getegid(), switched=False)


def _modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    status = {path: path.stat() for path in (folder, *folder.parents)}
    return {path: (stat.S_IMODE(each.st_mode), each.st_uid, each.st_gid) for path, each in status.items()}


def _interpreter_for_others() -> str:
    """A Python with our packages that another user may run; this one may lie in somebody's closed home."""
    for interpreter in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(
                [interpreter, "-c", "import psycopg, structlog"],
                check=True,
                cwd=REPOSITORY,
                env=os.environ | WITH_OUR_PACKAGES,
                user=NOBODY_ID,
                group=NOBODY_ID,
            )
            return interpreter
    pytest.skip("no interpreter that another user may run")


def test_no_folder_but_the_servers_own_is_changed(fresh_home: Home) -> None:
    nested = fresh_home.data_dir.parent / "outer" / "inner"
    nested.mkdir(parents=True)
    nested.parent.chmod(0o751)
    nested.chmod(0o755)
    before = _modes(nested)
    fresh_home.data_dir = nested / "data"
    with EmbeddedPostgres.acquire(fresh_home.data_dir):
        assert _modes(nested) == before
        for name in ("postgres", "run"):
            assert stat.S_IMODE((fresh_home.data_dir / name).stat().st_mode) == 0o700
    assert _modes(nested) == before


@only_root
def test_a_data_folder_made_by_root_can_be_passed_but_not_listed(fresh_home: Home) -> None:
    EmbeddedPostgres.acquire(fresh_home.data_dir).close()
    assert stat.S_IMODE(fresh_home.data_dir.stat().st_mode) == 0o711
    assert fresh_home.data_dir.stat().st_uid == 0
    assert (fresh_home.data_dir / "postgres").stat().st_uid != 0


@only_root
def test_a_closed_folder_on_the_way_is_named_and_left_closed(parent: Path) -> None:
    closed = parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(FolderUnreachableError) as refusal:
        EmbeddedPostgres.acquire(closed / "data")
    assert str(refusal.value).startswith(f"{closed} is closed to the user")
    assert "BICKFORD_DATA_DIR" in str(refusal.value)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_folder_open_to_the_group_only_is_reachable_by_the_group_only(parent: Path) -> None:
    room = parent / "room"
    room.mkdir()
    room.chmod(0o750)
    require_reachable(room, ServerUser("member", 4_000_000, room.stat().st_gid, switched=True))
    with pytest.raises(FolderUnreachableError, match=str(room)):
        require_reachable(room, ServerUser("stranger", 4_000_000, 4_000_000, switched=True))


@only_root
def test_an_ordinary_user_runs_the_server_as_itself(fresh_home: Home) -> None:
    interpreter = _interpreter_for_others()
    fresh_home.data_dir.parent.chmod(0o777)
    user = fresh_home.use(user_id=NOBODY_ID, interpreter=interpreter)
    assert user.url().startswith("postgresql://")
    owner = (fresh_home.data_dir / "postgres").stat().st_uid
    assert owner == fresh_home.data_dir.stat().st_uid == NOBODY_ID
    assert stat.S_IMODE(fresh_home.data_dir.stat().st_mode) == 0o700
    assert Path(f"/proc/{fresh_home.postmasters()[0]}").stat().st_uid == owner
    user.kill()
    assert wait_until(fresh_home.is_quiet)


@only_root
def test_root_runs_an_existing_cluster_as_its_owner(home: Home) -> None:
    cluster, run = home.data_dir / "postgres", home.data_dir / "run"
    for path in (run, cluster, *cluster.rglob("*")):
        os.chown(path, NOBODY_ID, NOBODY_ID)
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        assert select(server.url, "SELECT 1") == 1
        assert Path(f"/proc/{home.postmasters()[0]}").stat().st_uid == NOBODY_ID


@only_root
def test_a_cluster_of_another_user_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(FolderOwnerError, match="BICKFORD_DATA_DIR"):
        choose_server_user(home.data_dir / "postgres")


def test_a_data_folder_that_cannot_be_made_is_named(parent: Path) -> None:
    (parent / "file").write_text("not a folder")
    with pytest.raises(FolderOwnerError, match=str(parent / "file")):
        EmbeddedPostgres.acquire(parent / "file" / "data")


def test_a_socket_folder_that_is_a_planted_link_is_refused(parent: Path) -> None:
    elsewhere = parent / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    data_dir = parent / "data"
    data_dir.mkdir()
    (data_dir / "run").symlink_to(elsewhere)
    with pytest.raises(SocketFolderUnsafeError):
        prepare_socket_folder(Layout(data_dir), OURSELVES)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


@only_root
def test_a_socket_folder_planted_by_another_user_is_refused(parent: Path) -> None:
    layout = Layout(parent / ("long" * 25))
    assert layout.socket_folder.parent != layout.data_dir
    layout.socket_folder.mkdir(mode=0o700)
    try:
        os.chown(layout.socket_folder, NOBODY_ID, NOBODY_ID)
        with pytest.raises(SocketFolderUnsafeError, match="BICKFORD_DATA_DIR"):
            prepare_socket_folder(layout, OURSELVES)
    finally:
        layout.socket_folder.rmdir()

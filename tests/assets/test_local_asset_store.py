"""What only the local folder promises: permissions, leftovers, links, damage."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bickford_sora.assets.errors import (
    AssetDamaged,
    AssetError,
    AssetLocked,
    AssetNotFound,
    AssetStoreUnavailable,
    AssetTooLarge,
)
from bickford_sora.assets.local import LocalAssetStore
from ledger.clock import system_clock

CONTENT = b"a finished video"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URI = f"asset://anna/{SHA256[:2]}/{SHA256}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "assets"


@pytest.fixture
def store(root: Path) -> LocalAssetStore:
    return LocalAssetStore(root, clock=system_clock)


def put(store: LocalAssetStore) -> str:
    return store.put("anna", [CONTENT], bytes_max=100).storage_uri


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_private_and_assets_read_only(store: LocalAssetStore, root: Path) -> None:
    asset = store.path(put(store))

    assert asset == root / "anna" / SHA256[:2] / SHA256
    assert {mode(folder) for folder in (root, root / ".incoming", root / "anna", asset.parent)} == {0o700}
    assert mode(asset) == 0o400
    assert asset.stat().st_nlink == 1


def test_a_file_being_received_is_private(store: LocalAssetStore, root: Path) -> None:
    modes = []

    def chunks() -> Iterator[bytes]:
        yield CONTENT
        modes.extend(mode(path) for path in (root / ".incoming").iterdir())

    store.put("anna", chunks(), bytes_max=100)
    assert modes == [0o600]


def test_bytes_and_every_folder_are_synced_before_put_returns(
    store: LocalAssetStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    folders = [str(root), str(root / "anna"), str(root / "anna" / SHA256[:2])]
    for _ in range(2):  # the second put relies on nobody else's sync
        synced.clear()
        put(store)
        assert Path(synced[0]).parent == root / ".incoming"
        assert synced[1:] == folders

    synced.clear()
    store.delete(URI)
    assert synced == folders[-1:]


def test_a_failed_put_leaves_no_file(store: LocalAssetStore, root: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.put("anna", broken(), bytes_max=100)
    with pytest.raises(AssetTooLarge):
        store.put("anna", [CONTENT], bytes_max=3)
    assert [path for path in root.rglob("*") if path.is_file()] == []


def test_only_old_leftovers_of_a_crash_are_removed(store: LocalAssetStore, root: Path) -> None:
    put(store)
    now = datetime(2026, 11, 20, tzinfo=UTC)
    old, young = root / ".incoming" / "old.part", root / ".incoming" / "young.part"
    for path, age in ((old, timedelta(seconds=61)), (young, timedelta(seconds=59))):
        path.write_bytes(b"half")
        written = (now - age).timestamp()
        os.utime(path, (written, written))

    LocalAssetStore(root, clock=lambda: now, leftover_age_s=60)

    assert not old.exists()
    assert young.exists()
    assert store.exists(URI)


@pytest.mark.parametrize("place", ["subject", "prefix", "asset"])
def test_a_planted_symlink_is_not_followed(store: LocalAssetStore, root: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    target = {"subject": outside, "prefix": outside / SHA256[:2], "asset": outside / SHA256[:2] / SHA256}[place]
    (outside / SHA256[:2]).mkdir(parents=True)
    (outside / SHA256[:2] / SHA256).write_bytes(CONTENT)
    link = {
        "subject": root / "anna",
        "prefix": root / "anna" / SHA256[:2],
        "asset": root / "anna" / SHA256[:2] / SHA256,
    }
    link[place].parent.mkdir(parents=True, exist_ok=True)
    link[place].symlink_to(target)

    for operation in (store.open, store.size, store.exists, store.path):
        with pytest.raises(AssetDamaged):
            operation(URI)
    with pytest.raises(AssetDamaged):
        put(store)
    try:
        store.delete(URI)  # may remove the link, never what it points to
    except AssetDamaged:
        assert place != "asset"
    assert (outside / SHA256[:2] / SHA256).read_bytes() == CONTENT


def test_a_planted_incoming_link_is_refused(root: Path, tmp_path: Path) -> None:
    root.mkdir(parents=True)
    (root / ".incoming").symlink_to(tmp_path)

    with pytest.raises(AssetDamaged):
        LocalAssetStore(root, clock=system_clock)


def test_a_planted_fifo_does_not_hang_a_reader(store: LocalAssetStore) -> None:
    path = store.path(put(store))
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(AssetDamaged):
        store.open(URI)


def test_changed_bytes_are_found_and_not_overwritten_by_the_next_put(store: LocalAssetStore) -> None:
    path = store.path(put(store))
    path.chmod(0o600)
    path.write_bytes(b"A finished video")

    with pytest.raises(AssetDamaged):
        put(store)
    assert path.read_bytes() == b"A finished video"


def test_a_file_cut_short_while_it_is_read_is_damaged(store: LocalAssetStore) -> None:
    reader = store.open(put(store))
    path = store.path(URI)
    path.chmod(0o600)
    path.write_bytes(b"")

    with pytest.raises(AssetDamaged):
        list(reader)


def test_a_vanished_store_is_unavailable_rather_than_empty(store: LocalAssetStore, root: Path) -> None:
    put(store)
    root.rename(root.with_name("elsewhere"))

    for operation in (store.open, store.size, store.exists, store.delete):
        with pytest.raises(AssetStoreUnavailable):
            operation(URI)
    with pytest.raises(AssetStoreUnavailable):
        put(store)


def test_a_store_under_a_file_is_an_asset_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(AssetError):
        LocalAssetStore(tmp_path / "file" / "assets", clock=system_clock)


def test_the_path_of_nothing_is_not_found(store: LocalAssetStore) -> None:
    with pytest.raises(AssetNotFound):
        store.path(URI)


def test_a_file_under_a_lock_is_not_deleted_and_says_so(store: LocalAssetStore) -> None:
    uri = put(store)
    assert not store.is_locked(uri)
    if subprocess.run(["chattr", "+i", store.path(uri)], check=False, capture_output=True).returncode:  # noqa: S607 - a path of ours
        pytest.skip("this file system, or this user, has no immutable files")
    try:
        assert store.is_locked(uri)
        with pytest.raises(AssetLocked):
            store.delete(uri)
        assert store.exists(uri)
    finally:
        subprocess.run(["chattr", "-i", store.path(uri)], check=True)  # noqa: S607 - a path of ours
    store.delete(uri)
    assert not store.is_locked(uri)

"""Checks of this machine: the data folder, room on its disk, asset storage, keys, the list of erasures, the port."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from bickford_sora.assets.errors import AssetError, AssetLocked
from bickford_sora.assets.opening import open_assets
from bickford_sora.assets.port import AssetStore
from bickford_sora.buckets import BucketUnusable
from bickford_sora.callers import KeyInvalid, configured_projects
from bickford_sora.doctor.finding import Finding, ok, problem, skipped, warning
from bickford_sora.erasure_list import ErasureList, ErasureListDamaged
from bickford_sora.settings import Settings
from ledger.clock import Clock

FREE_BYTES_WARNED = 10 << 30
"""Free bytes below which an operator is told."""
COPIES = 2
"""Of a video while it is stored: what was downloaded, and what is kept."""
PROBE = b"bickford-sora doctor"
"""What is stored, read and deleted again to see that asset storage does all three."""
PROBE_SUBJECT = "doctor"
STAND_IN_KEY = SecretStr("x" * 32)
"""In the place of a key that is made at the first start."""


def check_machine(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Everything that can be seen without the database."""
    usable = True
    for finding in _data_folder(settings.data_dir):
        usable = usable and finding.state != "problem"
        yield finding
    yield _api_keys(settings)
    yield _erasure_list(settings)
    if usable and settings.data_dir.exists():
        yield _disk_space(settings)
        yield check_assets(settings, clock)
    else:
        yield skipped("asset_storage", "there is no data folder to look at")


def check_port(host: str, port: int) -> Finding:
    """Whether this process could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return problem(
                "port",
                f"{host}:{port} cannot be listened on: {error.strerror or error}",
                "Choose another one with --host and --port, or end the process that has it.",
            )
    return ok("port", f"{host}:{port} is free")


def check_assets(settings: Settings, clock: Clock) -> Finding:
    """Stores a few bytes twice, reads them and deletes them."""
    try:
        return _assets(open_assets(settings, clock=clock))
    except AssetLocked:
        return warning(
            "asset_storage",
            "it keeps what is deleted, by a lock or as versions",
            "Deleted and erased videos wait for the lock's end; a bucket with versions keeps them for good.",
        )
    except (AssetError, BucketUnusable, OSError) as error:
        return problem("asset_storage", f"it cannot be used: {error}", _storage_advice(settings))


def _assets(store: AssetStore) -> Finding:
    first = store.put(PROBE_SUBJECT, [PROBE], bytes_max=len(PROBE))
    again = store.put(PROBE_SUBJECT, [PROBE], bytes_max=len(PROBE))
    read = b"".join(store.open(first.storage_uri))
    store.delete(first.storage_uri)
    if read != PROBE or again != first:
        return problem(
            "asset_storage", "it gave back other bytes than it was given", "Do not serve from it; replace it."
        )
    return ok("asset_storage", "files are stored once, read and deleted")


def _storage_advice(settings: Settings) -> str:
    if settings.assets_url is None or settings.assets_url.startswith("file:"):
        return "See to the folder's owner, rights and space."
    return "See to BICKFORD_ASSETS_URL, and to the credentials' rights to get, put, delete and list."


def _data_folder(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        above = next(each for each in folder.absolute().parents if each.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield ok("data_folder", f"{folder} is made at the first start")
        else:
            yield problem("data_folder", f"{folder} cannot be made in {above}", "Choose another BICKFORD_DATA_DIR.")
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem(
            "data_folder",
            f"{folder} cannot be written to by user {os.geteuid()}",
            "Run as its owner, or choose another BICKFORD_DATA_DIR.",
        )
        return
    yield ok("data_folder", str(folder))
    keys = folder / "keys"
    if keys.exists() and stat.S_IMODE(keys.stat().st_mode) & 0o077:
        yield problem("data_folder", f"{keys} is open to other users", f"Close it: chmod 700 {keys}")


def _disk_space(settings: Settings) -> Finding:
    spool = settings.data_dir / "spool"
    folder = spool if spool.exists() else settings.data_dir
    free, kept = shutil.disk_usage(folder).free, settings.spool_free_bytes_min
    found = f"{_gib(free)} free for {folder}"
    advice = "Make room, or set asset_retention_s so that old files go."
    if free < kept:
        return problem("disk_space", f"{found}, less than spool_free_bytes_min: finished videos wait there", advice)
    if free < kept + COPIES * settings.asset_bytes_max:
        largest = f"the largest video that is taken ({_gib(settings.asset_bytes_max)}) may have to wait"
        return warning(
            "disk_space", f"{found}: {largest}", f"{advice} Or set asset_bytes_max to what your videos need."
        )
    return warning("disk_space", found, advice) if free < FREE_BYTES_WARNED else ok("disk_space", found)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"


def _api_keys(settings: Settings) -> Finding:
    kept = settings.data_dir / "keys" / "api.key"
    try:
        bootstrap = settings.api_key or (SecretStr(kept.read_text("ascii").strip()) if kept.exists() else STAND_IN_KEY)
        configured = configured_projects(bootstrap, settings)
    except (KeyInvalid, OSError, UnicodeDecodeError) as error:
        return problem("api_keys", str(error), "Correct BICKFORD_API_KEY, BICKFORD_API_KEYS or the file.")
    if bootstrap is STAND_IN_KEY:
        return ok("api_keys", "the first one is made at the first start")
    return ok("api_keys", f"{len(configured)} configured")


def _erasure_list(settings: Settings) -> Finding:
    path = settings.erasures_file or settings.data_dir / "erasures.jsonl"
    try:
        entries = sum(1 for _ in ErasureList(path))
    except (ErasureListDamaged, OSError) as error:
        return problem("erasure_list", str(error), "Put it right from a copy of it; nothing is served before.")
    if not path.exists():
        return ok("erasure_list", f"there is none at {path}: nothing was ever erased, or it was not put back")
    return ok("erasure_list", f"{entries} erasures in {path}")

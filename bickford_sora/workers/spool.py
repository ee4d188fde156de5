"""A folder of this process's own for downloads, and the removal of those that killed processes left behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from bickford_sora.database.locks import FileLock

_LOCK_SUFFIX = ".lock"

log = structlog.get_logger(__name__)


@contextmanager
def spool_folder(parent: Path, owner: str) -> Iterator[Path]:
    """The folder `parent`/`owner`, empty, and removed afterwards.

    Folders of processes that are gone are removed first: a killed process cannot do so itself, and what it was
    downloading is downloaded again. Whoever lives holds the lock beside its folder. Raises OSError.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_abandoned(parent)
    folder, lock_file = parent / owner, parent / f"{owner}{_LOCK_SUFFIX}"
    lock = _locked(lock_file)
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of one of this name whose threads still wrote when it removed it
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock_file.unlink(missing_ok=True)
        lock.release()


def _locked(lock_file: Path) -> FileLock:
    """A lock nobody else can take for that of a dead process: between opening and locking, one could have."""
    while True:
        lock = FileLock.open(lock_file)
        if lock.try_exclusive() and lock_file.exists():
            return lock
        lock.release()


def _remove_abandoned(parent: Path) -> None:
    for lock_file in parent.glob(f"*{_LOCK_SUFFIX}"):
        lock = FileLock.open(lock_file)
        if lock.try_exclusive():
            shutil.rmtree(parent / lock_file.name.removesuffix(_LOCK_SUFFIX), ignore_errors=True)
            lock_file.unlink(missing_ok=True)
            log.info("spool_of_killed_process_removed", owner=lock_file.name.removesuffix(_LOCK_SUFFIX))
        lock.release()

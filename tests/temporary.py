"""Where the tests keep what is temporary."""

import os
import stat
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_FREE_BYTES_MIN = 4 << 30
"""Several times what a run needs at any time."""


def temporary_folder() -> Path:
    """A new folder for everybody, as /tmp is: in memory if there is room, and where TMPDIR says if that is set.

    Hundreds of tests make a database each, of hundreds of files. A disk's file system computes longer for making and
    removing these than the tests do for all they try.
    """
    parent = None if "TMPDIR" in os.environ or not _has_room(_MEMORY) else _MEMORY
    folder = Path(tempfile.mkdtemp(prefix="bickford-", dir=parent))
    folder.chmod(0o777 | stat.S_ISVTX)  # run by root, the server has a user of its own
    return folder


def _has_room(folder: Path) -> bool:
    """Whether files that can be large may lie there, and programs that are run from there."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _FREE_BYTES_MIN and not found.f_flag & os.ST_NOEXEC

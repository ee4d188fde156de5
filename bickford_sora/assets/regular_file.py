"""Opens files that someone else may have planted: no symbolic link is followed, no FIFO or device is waited for."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO without a writer would block the open


class IrregularFileError(OSError):
    """There is something under this name, but not a regular file."""


def open_regular_file(name: Path | str, *, folder: int | None = None) -> BinaryIO:
    """Open a regular file for reading; `name` is relative to the descriptor `folder` when that is given.

    Only the last component of `name` is protected against symbolic links.

    Raises:
        IrregularFileError: it is a folder, FIFO, socket or device.
        OSError: it cannot be opened; ELOOP for a symbolic link.
    """
    descriptor = os.open(name, _FLAGS, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IrregularFileError(f"not a regular file: {name}")
    return os.fdopen(descriptor, "rb")

"""Files that survive a power cut."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Has a file's content, or a folder's entries, on disk when this returns. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

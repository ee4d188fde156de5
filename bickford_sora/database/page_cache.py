"""How much memory the server has for pages of tables, beside what the system keeps of files.

Whoever rebuilds reads the ledger several times at once: pages that are still there are neither read nor checked again.
"""

import os
from pathlib import Path

MEMORY_SHARE = 16
"""The server gets one part in so many of the memory there is."""
BYTES_MIN = 128 * 1024 * 1024
BYTES_MAX = 1024 * 1024 * 1024
_MEBIBYTE = 1024 * 1024


def setting(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> str:
    """`shared_buffers`, as the server takes it. `limit` is the file that says what a container may use."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = _limit_bytes(limit)
    wanted = min(there, allowed or there) // MEMORY_SHARE
    return f"{max(BYTES_MIN, min(wanted, BYTES_MAX)) // _MEBIBYTE}MB"


def _limit_bytes(limit: Path) -> int | None:
    """None: there is no limit, or no such file on this system."""
    try:
        said = limit.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(said) if said.isdecimal() else None

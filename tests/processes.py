"""A look at processes that are not this one's to wait for."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Every process on this machine that is alive."""
    for pid in _numbers():
        with suppress(OSError):  # ended meanwhile; a zombie's is empty
            yield pid, (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")


def children_of(pid: int) -> list[int]:
    """The processes that one started, from whichever of its threads."""
    return [each for each in _numbers() if _parent_of(each) == pid]


def postmasters(cluster: Path) -> list[int]:
    """The servers of a cluster's folder; a child of one has its command line until it says what it does itself."""
    found = {pid for pid, words in command_lines() if "-D" in words and str(cluster) in words}
    return [pid for pid in found if _parent_of(pid) not in found]


def is_gone(pid: int) -> bool:
    """Whether no such process runs; of a zombie, which somebody has yet to wait for, nothing but its number is left.

    By its state: one that is ending has no command line any more, and its locks and sockets for a moment yet.
    """
    status = _status_of(pid)
    return not status or "\nState:\tZ" in status


def _numbers() -> Iterator[int]:
    return (int(folder.name) for folder in PROC.glob("[0-9]*"))


def _parent_of(pid: int) -> int | None:
    found = re.search(r"^PPid:\t(\d+)$", _status_of(pid), re.MULTILINE)
    return int(found[1]) if found else None


def _status_of(pid: int) -> str:
    try:
        return (PROC / str(pid) / "status").read_text()
    except OSError:  # ended meanwhile, also between opening and reading
        return ""

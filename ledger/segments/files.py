"""The file of a closed segment, of which single payloads are read.

Beside an export lies an index of where its lines begin. Nothing rests on it: one that is missing or does not fit is
made again in memory, and every payload is held to its SHA-256.
"""

import os
import weakref
from array import array
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from ledger.errors import SegmentUnreadable
from ledger.exchange.cloudevents import LINE_BYTES_MAX, payload_in
from ledger.segments.table import Segment

CUT = "was cut or added to"


def index_path(export: Path) -> Path:
    """Where the index of an export lies."""
    return export.with_name(export.name + ".index")


def write_index(export: Path) -> None:
    """Writes down where each line begins, and where the last one ends: integers of 64 bits."""
    index_path(export).write_bytes(_line_ends(export).tobytes())


def check_in_place(folder: Path, segment: Segment) -> None:
    """Raises SegmentUnreadable for a file that is not there or not as long as it was. What is in it is not read."""
    path = folder / segment.file
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, segment, f"cannot be found ({error.strerror})") from error
    if size != segment.bytes:
        raise _unreadable(path, segment, CUT)


class SegmentFile:
    """An open file, closed when nobody holds it. Holds 8 bytes a position. Safe to use from several threads."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        """Raises SegmentUnreadable, which names segment and file."""
        self._segment = segment
        self._path = folder / segment.file
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._descriptor)
            self._ends = self._index()
        except OSError as error:
            raise self._unreadable(f"cannot be opened ({error.strerror})") from error

    def payload(self, position: int, digest: bytes) -> bytes:
        """The payload at a position of the segment, whose SHA-256 is `digest`. Raises SegmentUnreadable."""
        at = position - self._segment.first
        begin, end = self._ends[at], self._ends[at + 1]
        try:
            line = os.pread(self._descriptor, min(end - begin, LINE_BYTES_MAX), begin)
            payload = payload_in(line)
        except (OSError, ValueError) as error:
            raise self._unreadable(f"has no event where position {position} is due") from error
        if sha256(payload).digest() != digest:
            raise self._unreadable(f"was changed: the payload at position {position} is not the one that was recorded")
        return payload

    def is_in_place(self) -> bool:
        """Whether what was opened is still what lies in the folder."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False

    def _index(self) -> "array[int]":
        size = os.fstat(self._descriptor).st_size
        found = array("Q")
        try:
            found.frombytes(index_path(self._path).read_bytes())
        except (OSError, ValueError):
            found = array("Q")
        if not self._fits(found, size):
            found = _line_ends(self._path)
        if not self._fits(found, size) or size != self._segment.bytes:
            raise self._unreadable(CUT)
        return found

    def _fits(self, index: "array[int]", size: int) -> bool:
        events = self._segment.last - self._segment.first + 1
        return len(index) == events + 1 and index[0] == 0 and index[-1] == size

    def _unreadable(self, what: str) -> SegmentUnreadable:
        return _unreadable(self._path, self._segment, what)


def _unreadable(path: Path, segment: Segment, what: str) -> SegmentUnreadable:
    return SegmentUnreadable(f"{segment.title} is in {path}, which {what}")


def _line_ends(path: Path) -> "array[int]":
    with path.open("rb") as file:
        return array("Q", accumulate(map(len, file), initial=0))

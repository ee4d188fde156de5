"""Finds the payload of a position in whichever segment's file it was moved to."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import structlog

from ledger.errors import SegmentUnreadable, Unavailable
from ledger.segments.files import SegmentFile
from ledger.segments.table import Segment, read_segments
from ledger.sending import Pool

log = structlog.get_logger(__name__)


class SegmentPayloads:
    """Reads moved payloads: `ledger.payloads.ReadPayload`. Safe to use from several threads.

    Holds every file open that was read from. One that is put back, or in the place of another, is read at once.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        """`folder` holds the segments' files, and need not be there before one is closed."""
        self._pool = pool
        self._folder = folder
        self._segments: Sequence[Segment] = ()
        self._lock = threading.Lock()
        self._files: dict[int, SegmentFile] = {}
        self._told: set[int] = set()
        """Segments whose file cannot be read, once that was logged."""

    def __reduce__(self) -> tuple[Callable[[str, Path], "SegmentPayloads"], tuple[str, Path]]:
        """For another process: it reads the same, with a connection of its own."""
        return _elsewhere, (str(self._pool.conninfo), self._folder)

    def __call__(self, position: int, stored: bytes) -> bytes:
        """The payload at `position`, of which the ledger has `stored`. Raises SegmentUnreadable or Unavailable."""
        segment = self._segment(position)
        try:
            return self._file(segment).payload(position, stored[1:])
        except SegmentUnreadable as error:
            self._tell(segment, error)
            raise

    def _segment(self, position: int) -> Segment:
        found = _covering(self._segments, position)
        if found is None:
            self._segments = self._read()
            found = _covering(self._segments, position)
        if found is None:
            raise SegmentUnreadable(f"the payload at position {position} was taken away, and no segment has it")
        return found

    def _file(self, segment: Segment) -> SegmentFile:
        with self._lock:
            found = self._files.get(segment.first)
        if found is not None:
            return found
        opened = SegmentFile(self._folder, segment)
        with self._lock:
            self._told.discard(segment.first)
            return self._files.setdefault(segment.first, opened)

    def _tell(self, segment: Segment, error: SegmentUnreadable) -> None:
        """Logs once that a segment cannot be read, and lets go of a file that is not the one in the folder any more."""
        with self._lock:
            held = self._files.get(segment.first)
            if held is not None and not held.is_in_place():
                del self._files[segment.first]
            is_known = segment.first in self._told
            self._told.add(segment.first)
        if not is_known:
            log.error("segment_unreadable", first=segment.first, last=segment.last, cause=str(error))

    def _read(self) -> Sequence[Segment]:
        try:
            with self._pool.connection() as connection:
                return read_segments(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(f"the ledger's database does not answer: {type(error).__name__}") from error


def _elsewhere(url: str, folder: Path) -> SegmentPayloads:
    pool = Pool(url, kwargs={"autocommit": True}, min_size=0, max_size=1, open=True)
    return SegmentPayloads(pool, folder)


def _covering(segments: Sequence[Segment], position: int) -> Segment | None:
    at = bisect_right(segments, position, key=lambda each: each.first) - 1
    return segments[at] if at >= 0 and position <= segments[at].last else None

"""Finds the payload of a position in whichever segment's file it was moved to."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
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

    Holds every file open that was read from, until one cannot be: it may be put back while this process runs.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        """`folder` holds the segments' files, and need not be there before one is closed."""
        self._pool = pool
        self._folder = folder
        self._lock = threading.Lock()
        self._segments: Sequence[Segment] = ()
        self._files: dict[int, SegmentFile] = {}

    def __call__(self, position: int, stored: bytes) -> bytes:
        """The payload at `position`, of which the ledger has `stored`. Raises SegmentUnreadable or Unavailable."""
        try:
            return self._file(position).payload(position, stored[1:])
        except SegmentUnreadable as error:
            with self._lock:
                self._files.clear()
            log.error("segment_unreadable", position=position, cause=str(error))  # noqa: TRY400 - no traceback helps
            raise

    def _file(self, position: int) -> SegmentFile:
        with self._lock:
            segment = _covering(self._segments, position)
            if segment is None:
                self._segments = self._read()
                segment = _covering(self._segments, position)
            if segment is None:
                raise SegmentUnreadable(f"the payload at position {position} was taken away, and no segment has it")
            if segment.first not in self._files:
                self._files[segment.first] = SegmentFile(self._folder, segment)
            return self._files[segment.first]

    def _read(self) -> Sequence[Segment]:
        try:
            with self._pool.connection() as connection:
                return read_segments(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(f"the ledger's database does not answer: {type(error).__name__}") from error


def _covering(segments: Sequence[Segment], position: int) -> Segment | None:
    at = bisect_right(segments, position, key=lambda each: each.first) - 1
    return segments[at] if at >= 0 and position <= segments[at].last else None

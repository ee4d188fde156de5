"""Closes a segment: its facts into a file, the file checked, and then the payloads out of the database.

    export ─ checkpoint, index ─ read back, held to the checkpoint ─ on disk ─┐
    one transaction: record the segment ─ move payloads ─ read each again <───┘

A crash before the commit leaves the ledger as it was, and files that the next run writes again. After it, all is moved.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

from ledger.durable import sync
from ledger.errors import LedgerError, SegmentUnreadable
from ledger.events import (
    RenderAssetLost,
    RenderCancelled,
    RenderDenied,
    RenderFailed,
    RenderStored,
)
from ledger.exchange.exporting import PART, OnProgress, export_file
from ledger.exchange.manifest import Format, Manifest, checkpoint_path, manifest_path, segment_file
from ledger.exchange.selection import Selection, identify, select_last
from ledger.proof.notes import Verifier
from ledger.proof.port import KeptCheckpoint, TreeReader
from ledger.segments.checking import check_export
from ledger.segments.files import SegmentFile, check_in_place, index_path, write_index
from ledger.segments.table import SQL, Segment, read_segments
from ledger.sql import query

MOVED_CATEGORIES = ("webhook",)
"""Categories of streams that move whole: no decision folds them."""
RENDER_ENDS = tuple(each.TYPE for each in (RenderStored, RenderDenied, RenderFailed, RenderAssetLost, RenderCancelled))
"""A render with one of these facts ended (`ledger.lifecycle`). Those of old that ended in `render.job_lost` stay where
they are: by its type alone it does not tell an end from a beginning any more."""
READ_ROWS = 2_000
"""Rows that are fetched at a time."""


class SegmentRefused(LedgerError):  # noqa: N818 - it says what happened
    """Nothing was closed."""

    code = "segment_refused"


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment that was closed just now."""

    segment: Segment
    moved: int
    """Payloads that are in the file alone."""


def close_segment(
    connection: Connection[TupleRow],
    folder: Path,
    *,
    until: int,
    tree: TreeReader,
    checkpoint: KeptCheckpoint,
    verifiers: Collection[Verifier],
    on_progress: OnProgress,
) -> Closed:
    """Closes the positions behind the last closed segment up to `until`. `checkpoint` covers them.

    `connection` is the tables' owner's, in autocommit mode; `folder` is where segments are read from. Raises
    SegmentRefused when there is nothing to close, an earlier segment's file is missing or was cut, or somebody else is
    closing, and whatever `check_export` raises for a file that is not what was signed.
    """
    with _alone(connection):
        closed = read_segments(connection)
        _check_in_place(closed, folder)
        first = max((each.last for each in closed), default=0) + 1
        last = min(checkpoint.size, select_last(connection, Selection()))
        if until < first:
            raise SegmentRefused(f"there is nothing to close up to position {until}: segments end at {first - 1}")
        if until > last:
            raise SegmentRefused(f"position {until} is behind the ledger's last one that is signed, {last}")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / segment_file(identify(connection), first, until)
        for left in _files(path):  # by a run that did not come to its end
            left.unlink(missing_ok=True)
        export_file(connection, Selection(first=first, last=until), path, Format.JSONL, on_progress)
        checkpoint_path(path).write_text(checkpoint.note, "utf-8")
        write_index(path)
        manifest, _ = check_export(path, tree=tree, verifiers=verifiers)
        for each in (*_files(path), folder):
            if each.exists():
                sync(each)
        # A crash before this line leaves files that nobody reads. From here on they are what is left of the payloads.
        return _move(connection, folder, path.name, manifest, checkpoint.size)


def _check_in_place(closed: Sequence[Segment], folder: Path) -> None:
    """Raises SegmentRefused: who closes more while an earlier part is out of reach has not noticed that it is."""
    for segment in closed:
        try:
            check_in_place(folder, segment)
        except SegmentUnreadable as error:
            raise SegmentRefused(f"{error}; put it back before more is closed") from error


def _move(
    connection: Connection[TupleRow], folder: Path, name: str, manifest: Manifest, checkpoint_size: int
) -> Closed:
    recorded = {
        "first": manifest.first,
        "last": manifest.last,
        "file": name,
        "sha256": bytes.fromhex(manifest.file_sha256),
        "bytes": manifest.file_bytes,
        "checkpoint_size": checkpoint_size,
    }
    bounds = {
        "first": manifest.first,
        "last": manifest.last,
        "categories": list(MOVED_CATEGORIES),
        "ends": list(RENDER_ENDS),
    }
    try:
        with connection.transaction():
            row = connection.execute(query("segment_add", SQL), recorded, binary=True).fetchone()
            assert row is not None  # noqa: S101 - what is inserted is returned
            segment = Segment(*row)
            connection.execute(query("move", SQL), bounds)
            return Closed(segment, _read_again(connection, folder, segment))
    except InsufficientPrivilege:
        raise SegmentRefused("this role may only append: close as the owner of the ledger's tables") from None


def _read_again(connection: Connection[TupleRow], folder: Path, segment: Segment) -> int:
    """Reads each moved payload as it will be read from now on, held to what the database hashed. Returns how many."""
    file, moved = SegmentFile(folder, segment), 0
    with connection.cursor("moved") as cursor:
        cursor.itersize = READ_ROWS
        cursor.execute(query("moved", SQL), {"first": segment.first, "last": segment.last}, binary=True)
        for position, stored in cursor:
            file.payload(position, stored[1:])
            moved += 1
    return moved


@contextmanager
def _alone(connection: Connection[TupleRow]) -> Iterator[None]:
    row = connection.execute(query("turn", SQL)).fetchone()
    if not row or not row[0]:
        raise SegmentRefused("another process is closing a segment")
    try:
        yield
    finally:
        if not connection.closed:  # the server released the lock with the session
            connection.execute(query("turn_end", SQL))


def _files(path: Path) -> Sequence[Path]:
    return (path, manifest_path(path), checkpoint_path(path), index_path(path), path.with_name(path.name + PART))

"""Facts into a file, in the ledger's order, with a manifest beside it. Memory stays flat, however many there are."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, Self
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.errors import Corrupt
from ledger.exchange.cloudevents import line_of
from ledger.exchange.errors import ExportRefused
from ledger.exchange.manifest import Format, Manifest, TreeHead, described, manifest_path
from ledger.exchange.parquet import Appendable, ParquetWriter
from ledger.exchange.selection import Selection, identify, select_last, select_rows
from ledger.mapper import RecordedRow
from ledger.payloads import ReadPayload, unread
from ledger.proof.checkpoints import origin_of
from ledger.proof.leaves import leaf_of
from ledger.proof.tiles import Edge

PROGRESS_EVENTS = 2_000
"""Facts between two calls of the progress callback."""
PART = ".part"
"""Ends the name of a file that is being written: what has an export's name is whole."""

OnProgress = Callable[[int, int], None]
"""Called with the positions that were passed, and their total."""


class _Writer(Protocol):
    def write(self, row: RecordedRow, leaf: bytes) -> None: ...

    def finish(self) -> None: ...


class _LineWriter:
    def __init__(self, file: Appendable, source: str) -> None:
        self._file = file
        self._source = source

    def write(self, row: RecordedRow, leaf: bytes) -> None:
        self._file.write(line_of(row, leaf, self._source))

    def finish(self) -> None:
        pass


class _Counted:
    """A file that is appended to, with the length and the hash of what went in.

    Nothing goes in behind its block: pyarrow ends a file that was given up when it forgets it, and a part would look
    like a whole one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ended = False
        self.hash = hashlib.sha256()
        self.length = 0
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True

    def write(self, content: bytes) -> int:
        if self._ended:
            return len(content)
        self._file.write(content)
        self.hash.update(content)
        self.length += len(content)
        return len(content)

    def tell(self) -> int:
        return self.length

    def flush(self) -> None:
        if not self._ended:
            self._file.flush()


def export_stream(
    connection: Connection[TupleRow],
    selection: Selection,
    file: BinaryIO,
    form: Format,
    on_progress: OnProgress,
    *,
    payloads: ReadPayload = unread,
) -> Manifest:
    """Writes what `selection` means to a file that is only appended to. Returns the manifest of what was written.

    `payloads` reads those of closed segments. Raises ExportRefused when there is nothing to select from, Corrupt when
    the ledger has a gap, and SegmentUnreadable.
    """
    ledger_id = identify(connection)
    last = select_last(connection, selection)
    edge = Edge()
    events = 0
    total = last - selection.first + 1
    filtered = described(selection)
    on_progress(0, total)
    with _Counted(file) as counted:
        writer = _writer(counted, form, ledger_id)
        for row in select_rows(connection, selection, last=last, payloads=payloads):
            if not filtered and row.id != selection.first + events:
                raise Corrupt(f"position {selection.first + events} is missing")
            leaf = leaf_of(row)
            writer.write(row, leaf)
            edge.extend([leaf])
            events += 1
            if events % PROGRESS_EVENTS == 0:
                on_progress(row.id - selection.first + 1, total)
        writer.finish()
    on_progress(total, total)
    whole = selection.first == 1 and not filtered
    return Manifest(
        format=form,
        ledger_id=ledger_id,
        first=selection.first,
        last=last,
        filter=filtered,
        events=events,
        file_bytes=counted.length,
        file_sha256=counted.hash.hexdigest(),
        tree=TreeHead(size=events, root=edge.root().hex()) if whole else None,
    )


def export_file(
    connection: Connection[TupleRow],
    selection: Selection,
    path: Path,
    form: Format,
    on_progress: OnProgress,
    *,
    payloads: ReadPayload = unread,
) -> Manifest:
    """Writes the export and its manifest. Raises ExportRefused, also when one of this name is there."""
    for taken in (path, manifest_path(path)):
        if taken.exists():
            raise ExportRefused(f"{taken} is there already; nothing is overwritten")
    part = path.with_name(path.name + PART)
    try:
        with part.open("wb") as file:
            manifest = export_stream(connection, selection, file, form, on_progress, payloads=payloads)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # The file is whole. Without a manifest, which comes last, nobody takes it for an export.
    manifest_path(path).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
    return manifest


def _writer(file: _Counted, form: Format, ledger_id: UUID) -> _Writer:
    if form is Format.PARQUET:
        return ParquetWriter(file, str(ledger_id))
    return _LineWriter(file, origin_of(ledger_id))

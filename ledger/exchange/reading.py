"""An export, read again: each row checked in itself and against the one before it, and all against the manifest."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.exchange import cloudevents, parquet
from ledger.exchange.errors import ExportCut, ExportDamaged
from ledger.exchange.manifest import Format, Manifest
from ledger.mapper import RecordedRow
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.tiles import Edge


class Read(NamedTuple):
    """One row of an export that is in order."""

    place: str
    """Where it stands, in words."""
    row: RecordedRow
    leaf: bytes
    """Its leaf hash."""


def read_export(path: Path, manifest: Manifest, held: Sequence[Checkpoint] = ()) -> Iterator[Read]:
    """The rows of an export. Memory stays flat. A whole one is held to checkpoints of its ledger, too.

    Raises ExportDamaged at the first row that is not what was exported or does not follow the one before it; where a
    checkpoint has another root; at the end, when something is missing or added, or the file or its tree is not what
    the manifest says. Whoever writes down what is read here keeps it only when all of it was read.
    """
    edge = Edge()
    roots = _roots(manifest, held)
    last: Read | None = None
    events = confirmed = 0
    for read in _rows(path, manifest):
        _check_follows(read, last, manifest)
        edge.extend([read.leaf])
        last = read
        events += 1
        if events in roots:
            if roots[events] != edge.root():
                where = f"positions {confirmed + 1} to {events}"
                raise ExportDamaged(
                    where, "a fact among them is not what was recorded: the checkpoint has another root"
                )
            confirmed = events
        yield read
    after = f"after {last.place}" if last else "at the beginning"
    if events != manifest.events:
        wrong = ExportCut if events < manifest.events else ExportDamaged
        raise wrong(after, f"the file ends with {events} facts, {manifest.events} were exported")
    if events < max(roots, default=0):
        raise ExportCut(after, f"positions {events + 1} to {max(roots)} are missing: a checkpoint has them")
    if manifest.tree is not None and (manifest.tree.size, manifest.tree.root) != (events, edge.root().hex()):
        raise ExportDamaged("the manifest", "the tree over these facts has another root")
    if _sha256(path) != manifest.file_sha256:
        raise ExportDamaged("the file", "every fact is in order, and yet it is not the file that the manifest tells of")


def _rows(path: Path, manifest: Manifest) -> Iterator[Read]:
    if manifest.format is Format.PARQUET:
        yield from (Read(*each) for each in parquet.read_rows(path, str(manifest.ledger_id)))
        return
    source = origin_of(manifest.ledger_id)
    number = 0
    with path.open("rb") as file:
        while line := file.readline(cloudevents.LINE_BYTES_MAX):
            number += 1
            place = f"line {number}"
            yield Read(place, *cloudevents.row_of(line, source, place))


def _check_follows(read: Read, last: Read | None, manifest: Manifest) -> None:
    position = read.row.id
    before = last.row.id if last else manifest.first - 1
    dense = not manifest.filter
    if position != before + 1 if dense else not before < position <= manifest.last:
        expected = f"position {before + 1} is expected" if dense else "positions only rise, within the export's range"
        raise ExportDamaged(read.place, f"position {position} stands here, and {expected}")
    if last and read.row.recorded_at < last.row.recorded_at:
        raise ExportDamaged(read.place, f"position {position} was recorded before the one in front of it")


def _roots(manifest: Manifest, held: Sequence[Checkpoint]) -> dict[int, bytes]:
    """What the tree has to be at which size. Only an export of everything from position 1 on has the ledger's tree."""
    for each in held:
        if each.origin != origin_of(manifest.ledger_id):
            raise ExportDamaged("the checkpoint", f"it is of {each.origin}, not of {origin_of(manifest.ledger_id)}")
    return {each.size: each.root for each in held} if manifest.tree is not None else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

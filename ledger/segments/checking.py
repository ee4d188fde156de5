"""Holds the file of a segment to what was recorded and signed: every row, and the tree above them."""

from collections.abc import Collection
from pathlib import Path

from ledger.exchange.errors import ExportDamaged
from ledger.exchange.manifest import Manifest, checkpoint_path, read_manifest
from ledger.exchange.reading import read_export
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, origin_of
from ledger.proof.merkle import check_consistency, consistency_proof
from ledger.proof.notes import NOTE_BYTES_MAX, Verifier
from ledger.proof.port import TreeReader
from ledger.proof.tiles import Edge, TileNodes
from ledger.segments.table import Segment

LEAVES_HELD = 2_000
"""Leaf hashes that are added to the tree at a time."""


def check_export(path: Path, *, tree: TreeReader, verifiers: Collection[Verifier]) -> tuple[Manifest, Checkpoint]:
    """Reads an export whole, and proves that it is part of what the checkpoint beside it says.

    The tree up to the export comes from its tiles, and goes on with the export's facts; its root must be that of a
    beginning of what was signed. Raises ExportDamaged, naming the place; ImportRefused without a manifest; and
    ledger.proof.errors.ProofError when the checkpoint or the tree does not agree. OSError for what is not there.
    """
    manifest = read_manifest(path)
    checkpoint = open_checkpoint(_note(path), origin=origin_of(tree.ledger_id()), verifiers=verifiers)
    edge = Edge.of(tree.tile, manifest.first - 1)
    leaves: list[bytes] = []
    for read in read_export(path, manifest):
        leaves.append(read.leaf)
        if len(leaves) == LEAVES_HELD:
            edge.extend(leaves)
            leaves.clear()
    edge.extend(leaves)
    proof = consistency_proof(TileNodes(tree.tile, checkpoint.size), edge.size, checkpoint.size)
    check_consistency(old=edge.size, old_root=edge.root(), new=checkpoint.size, new_root=checkpoint.root, proof=proof)
    return manifest, checkpoint


def check_segment(segment: Segment, folder: Path, *, tree: TreeReader, verifiers: Collection[Verifier]) -> None:
    """As `check_export`, for the file of a closed segment, which also must be the one that was recorded."""
    manifest, _ = check_export(folder / segment.file, tree=tree, verifiers=verifiers)
    if (manifest.first, manifest.last, manifest.file_sha256) != (segment.first, segment.last, segment.sha256.hex()):
        raise ExportDamaged(segment.file, "it is in order, and yet it is not the file that was closed")


def _note(path: Path) -> bytes:
    with checkpoint_path(path).open("rb") as file:
        return file.read(NOTE_BYTES_MAX + 1)

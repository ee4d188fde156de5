"""`bickford-sora verify EXPORT`: without a database."""

from collections.abc import Sequence
from pathlib import Path

from bickford_sora.cli.output import note, progress_shown
from bickford_sora.pushed_log import read_pushed
from ledger.exchange.checkpoint import read_checkpoint
from ledger.exchange.manifest import checkpoint_path, is_segment, read_manifest
from ledger.exchange.verifying import ExportCheck
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.notes import Note, Verifier
from ledger.proof.verify import Verified


def verify_export(
    export: Path, *, against: Sequence[Path], tiles: str | None, verifiers: Sequence[Verifier]
) -> Verified:
    """Holds an export to checkpoints: those given, the one beside it, and those that were pushed with `tiles`.

    Raises ledger.errors.LedgerError for an export or a checkpoint that cannot be used.
    """
    manifest = read_manifest(export)
    notes = [(path.name, read_checkpoint(path)[0]) for path in against]
    if (beside := checkpoint_path(export)).exists():
        own, _ = read_checkpoint(beside)
        # A segment's own may be of more facts than were ever in it. One that is given says what there has to be.
        if not is_segment(export, manifest) or Checkpoint.parse(own).size <= manifest.last:
            notes.append((beside.name, own))
    pushed, found = (None, []) if tiles is None else read_pushed(tiles)
    kept = [Note.parse(each) for each in found]
    sizes = [Checkpoint.parse(each).size for each in kept]
    # What was pushed after the export was made is of facts that it does not have.
    notes += [
        (f"the pushed checkpoint of {size} facts", each)
        for size, each in zip(sizes, kept, strict=True)
        if size <= manifest.last
    ]
    check = ExportCheck(
        export, manifest, tiles=pushed.tile if pushed else None, tiled=min(manifest.last, max(sizes, default=0))
    )
    with progress_shown("verify", unit="facts") as progress:
        verified = check.verify(notes, verifiers, progress)
    if not verifiers and verified.checkpoints:
        note("The key is the one that the export itself names. Trust another's word with --public-key.")
    if is_segment(export, manifest):
        note(
            "The file of a closed segment: each fact is checked in itself. The checkpoint beside it, where it is of "
            "more facts, takes 'segments check' where the ledger is, or 'auditor' with tiles."
        )
    elif manifest.tree is None:
        note(
            "The export is a part of the ledger: each fact is checked in itself, and held to no checkpoint. "
            "'auditor' gives what takes receipts."
        )
    return verified

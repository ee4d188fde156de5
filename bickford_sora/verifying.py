"""Verifying the live ledger: what it is held to, and the stored files beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bickford_sora.assets.opening import open_assets
from bickford_sora.composition.books import Books
from bickford_sora.kept_files import PROGRESS_STEPS, WATCHED, KeptFiles, OnProgress
from bickford_sora.pushed_log import read_pushed
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, origin_of
from ledger.proof.errors import ProofError, named
from ledger.proof.findings import Findings
from ledger.proof.notes import NOTE_BYTES_MAX, Note, Verifier
from ledger.proof.postgres import PostgresTree, TilesAhead
from ledger.proof.row_check import Row
from ledger.proof.tiles import ReadTile
from ledger.proof.tree_check import Held
from ledger.proof.verify import Verified, verify_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the ledger is to be held to."""

    against: Sequence[Path] = ()
    """Files with checkpoints."""
    tiles: str | None = None
    """A folder that checkpoints and tiles were pushed to, or the address of a bucket."""
    assets: bool = False
    """Whether stored files are read, too."""
    verifiers: Sequence[Verifier] = ()
    """Public keys that are trusted in place of those on record."""


def verify_live(books: Books, asked: Asked, on_progress: OnProgress) -> Verified:
    """Rereads the whole ledger.

    Raises Malformed, OtherLedger or Unsigned for a checkpoint that proves nothing, NotCovered for a place that none was
    pushed to; BucketUnusable, and OSError for tiles that cannot be read.
    """
    tree, findings = books.proving.tree, Findings()
    keys = books.proving.signing.keys()
    origin = origin_of(tree.ledger_id())
    trusted = asked.verifiers or keys.verifiers
    held = [_held(path, origin, trusted) for path in asked.against]
    tiles: ReadTile = TilesAhead(tree)
    tiled = tree.size()
    if asked.tiles is not None:
        pushed, notes = read_pushed(asked.tiles)
        kept = [_pushed(each, origin, trusted) for each in notes]
        held += [Held(each.size, each.root, f"the pushed checkpoint of {each.size} facts") for each in kept]
        tiles, tiled = pushed.tile, max((each.size for each in kept), default=0)
    held += _kept_here(tree, origin, (*keys.every_verifier, *asked.verifiers), findings)
    files = KeptFiles()
    verified = verify_rows(
        _counted(tree, on_progress),
        held=held,
        tiles=tiles,
        tiled=tiled,
        findings=findings,
        watched=WATCHED if asked.assets else (),
        on_fact=files.told,
        payloads=books.ledger.payloads,
    )
    if not asked.assets:
        return verified
    files.check(open_assets(books.settings, clock=books.clock), findings, on_progress)
    return verified.with_findings(findings)


def _counted(tree: PostgresTree, on_progress: OnProgress) -> Iterator[Sequence[Row]]:
    total, done, told = tree.head(), 0, 0
    for batch in tree.rows():
        yield batch
        done += len(batch)
        if done - told >= total // PROGRESS_STEPS or done == total:
            on_progress(done, max(done, total), "facts")
            told = done


def _pushed(note: bytes, origin: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    with named("a pushed checkpoint"):
        size = Checkpoint.parse(Note.parse(note)).size
    with named(f"the pushed checkpoint of {size} facts"):
        return open_checkpoint(note, origin=origin, verifiers=verifiers)


def _held(path: Path, origin: str, verifiers: Sequence[Verifier]) -> Held:
    with path.open("rb") as file, named(path.name):
        found = open_checkpoint(file.read(NOTE_BYTES_MAX + 1), origin=origin, verifiers=verifiers)
    return Held(found.size, found.root, str(path))


def _kept_here(tree: PostgresTree, origin: str, verifiers: Sequence[Verifier], findings: Findings) -> Iterator[Held]:
    """The checkpoints that are kept beside the ledger, those that were changed left off and named."""
    after = 0
    while page := tree.checkpoints(after=after):
        for each in page:
            after = each.size
            try:
                found = open_checkpoint(each.note, origin=origin, verifiers=verifiers)
                wrong = "" if (found.size, found.root) == (each.size, each.root) else "its columns are not what it says"
            except ProofError as error:
                wrong = str(error)
            if wrong:
                message = f"the kept checkpoint of {each.size} facts was changed: {wrong}"
                findings.add("checkpoint_changed", each.size, message)
            else:
                yield Held(
                    each.size, each.root, f"the checkpoint of {each.size} facts that is kept here", kept_here=True
                )

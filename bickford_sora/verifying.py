"""Verifying the live ledger: what it is held to, and the stored files beside it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bickford_sora.assets.errors import AssetError, AssetNotFound
from bickford_sora.assets.local import LocalAssetStore
from bickford_sora.assets.port import AssetStore
from bickford_sora.composition.books import Books
from bickford_sora.pushed_folder import PushedFolder
from ledger.envelope import Fact
from ledger.events import Asset, RenderExpired, RenderPurged, RenderStored, SubjectErased
from ledger.proof.checkpoints import open_checkpoint, origin_of
from ledger.proof.errors import ProofError
from ledger.proof.findings import Findings
from ledger.proof.notes import NOTE_BYTES_MAX, Verifier
from ledger.proof.postgres import PostgresTree, TilesAhead
from ledger.proof.row_check import Row
from ledger.proof.tiles import ReadTile
from ledger.proof.tree_check import Held
from ledger.proof.verify import Verified, verify_rows

OnProgress = Callable[[int, int], None]
PROGRESS_STEPS = 50
"""How often progress is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the ledger is to be held to."""

    against: Sequence[Path] = ()
    """Files with checkpoints."""
    tiles: Path | None = None
    """A folder that checkpoints and tiles were pushed to."""
    assets: bool = False
    """Whether stored files are read, too."""
    verifiers: Sequence[Verifier] = ()
    """Public keys that are trusted in place of those on record."""


def verify_live(books: Books, asked: Asked, on_progress: OnProgress) -> Verified:
    """Rereads the whole ledger. Raises Malformed, OtherLedger or Unsigned for a checkpoint that proves nothing."""
    tree, findings = books.proving.tree, Findings()
    keys = books.proving.signing.keys()
    origin = origin_of(tree.ledger_id())
    trusted = asked.verifiers or keys.verifiers
    held = [_held(path, origin, trusted) for path in asked.against]
    tiles: ReadTile = TilesAhead(tree)
    tiled = tree.size()
    if asked.tiles is not None:
        pushed = PushedFolder(asked.tiles)
        kept = [open_checkpoint(each, origin=origin, verifiers=trusted) for each in pushed.checkpoints()]
        held += [Held(each.size, each.root, f"the pushed checkpoint of {each.size} facts") for each in kept]
        tiles, tiled = pushed.tile, max((each.size for each in kept), default=0)
    held += _kept_here(tree, origin, (*keys.every_verifier, *asked.verifiers), findings)
    files = Files()
    verified = verify_rows(
        _counted(tree, on_progress),
        held=held,
        tiles=tiles,
        tiled=tiled,
        findings=findings,
        watched=Files.WATCHED if asked.assets else (),
        on_fact=files.told,
        payloads=books.ledger.payloads,
    )
    if not asked.assets:
        return verified
    files.check(LocalAssetStore(books.settings.data_dir / "assets", clock=books.clock), findings, on_progress)
    return verified.with_findings(findings)


def _counted(tree: PostgresTree, on_progress: OnProgress) -> Iterator[Sequence[Row]]:
    total, done, told = tree.head(), 0, 0
    for batch in tree.rows():
        yield batch
        done += len(batch)
        if done - told >= total // PROGRESS_STEPS or done == total:
            on_progress(done, max(done, total))
            told = done


def _held(path: Path, origin: str, verifiers: Sequence[Verifier]) -> Held:
    with path.open("rb") as file:
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


@dataclass(slots=True)
class Files:
    """The files that there should be, by what the facts say."""

    WATCHED = (RenderStored.TYPE, RenderExpired.TYPE, RenderPurged.TYPE, SubjectErased.TYPE)
    stored: dict[str, tuple[int, Sequence[Asset]]] = field(default_factory=dict)

    def told(self, position: int, stream: str, fact: Fact) -> None:
        """A fact about files."""
        if isinstance(fact, RenderStored):
            self.stored[stream] = position, fact.assets
        else:
            self.stored.pop(stream, None)

    def check(self, assets: AssetStore, findings: Findings, on_progress: OnProgress) -> None:
        """Reads every file."""
        for done, (position, files) in enumerate(self.stored.values(), start=1):
            for each in files:
                self._check(assets, each, position, findings)
            on_progress(done, len(self.stored))

    def _check(self, assets: AssetStore, asset: Asset, position: int, findings: Findings) -> None:
        digest = hashlib.sha256()
        try:
            with closing(assets.open(asset.storage_uri)) as chunks:
                for chunk in chunks:
                    digest.update(chunk)
        except AssetNotFound:
            findings.add("asset_missing", position, f"{asset.storage_uri} is gone")
            return
        except AssetError as error:
            findings.add("asset_changed", position, f"{asset.storage_uri}: {error}")
            return
        if digest.hexdigest() != asset.sha256:
            findings.add("asset_changed", position, f"{asset.storage_uri} is not the file that was stored")

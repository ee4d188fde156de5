"""An export held to checkpoints and tiles, offline: no database, no server, nobody's word."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ledger import log_keys, streams
from ledger.errors import InvalidEvent, UnknownEventType
from ledger.exchange.errors import ExportCut, ExportDamaged
from ledger.exchange.manifest import Manifest
from ledger.exchange.reading import read_export
from ledger.lifecycle import ImpossibleStep
from ledger.log_keys import LogKeys
from ledger.mapper import FactMapper, RecordedRow
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.errors import OtherLedger, Unsigned
from ledger.proof.findings import Findings
from ledger.proof.notes import Note, Verifier
from ledger.proof.tiles import ReadTile
from ledger.proof.tree_check import Held, TreeCheck
from ledger.proof.verify import Verified

BATCH_LEAVES = 2_048

OnProgress = Callable[[int, int], None]
"""Called with the facts that were read, and their total."""


class ExportCheck:
    """Reads an export once, and finds out what of it holds."""

    def __init__(self, path: Path, manifest: Manifest, *, tiles: ReadTile | None = None, tiled: int = 0) -> None:
        """`tiles` has the leaf hashes of the first `tiled` facts, as others keep them."""
        self._path = path
        self._manifest = manifest
        self._tiles = tiles
        self._tiled = tiled
        self._keys: LogKeys | None = None
        self._mapper = FactMapper()
        self._versions: dict[str, int] = {}
        self._read = 0
        self._position = manifest.first - 1

    def verify(
        self, notes: Sequence[tuple[str, Note]], verifiers: Sequence[Verifier], on_progress: OnProgress
    ) -> Verified:
        """Holds the export to named checkpoints, signed by `verifiers` or, without any, by keys it names itself.

        Stops at the first fact that is not in order. An export that leaves facts out has no tree of its own: its facts
        are checked each in itself, and none of them is covered. Raises Malformed, OtherLedger or Unsigned for a
        checkpoint that proves nothing.
        """
        held = [self._held(name, note) for name, note in notes]
        if self._manifest.tree is None:
            held = []  # it cannot be held to them; that they are of its ledger was seen
        if verifiers:
            _check_signed(notes, verifiers)
        findings = Findings()
        tree = TreeCheck(held, findings, self._tiles if held else None, self._tiled if held else 0)
        try:
            self._add_all(tree, findings, on_progress)
        except ExportDamaged as error:
            self._say_damaged(error, findings)
        else:
            tree.finish()
            # Behind what is damaged may be the keys: then the damage is what there is to say. A part may have none.
            if not verifiers and held:
                _check_signed(notes, self._keys.verifiers if self._keys else ())
        return Verified(
            facts=self._read,
            covered=tree.covered,
            checkpoints=len(held),
            findings=findings.listed,
            left_off=findings.left_off,
            kinds=frozenset(findings.kinds),
        )

    def _add_all(self, tree: TreeCheck, findings: Findings, on_progress: OnProgress) -> None:
        leaves: list[bytes] = []
        for read in read_export(self._path, self._manifest):
            self._read += 1
            self._position = read.row.id
            leaves.append(read.leaf)
            self._in_turn(read.row, findings)
            self._decode(read.row, findings)
            if len(leaves) == BATCH_LEAVES:
                tree.add(leaves)
                leaves = []
                on_progress(self._read, self._manifest.events)
        tree.add(leaves)
        on_progress(self._read, max(self._read, self._manifest.events))

    def _say_damaged(self, error: ExportDamaged, findings: Findings) -> None:
        """At the position behind the last one that was in order; where a filter leaves facts out, at one behind it."""
        first, last, exact = self._position + 1, self._manifest.last, not self._manifest.filter
        if isinstance(error, ExportCut):
            findings.add("facts_missing", first, str(error), last=max(first, last), exact=exact)
        else:
            findings.add("facts_changed", first, str(error), last=first if exact else max(first, last), exact=exact)

    def _in_turn(self, row: RecordedRow, findings: Findings) -> None:
        """Each stream's versions go up without a gap: from 1 on, or from the first that a part has of it.

        Where a filter leaves facts out, they only rise.
        """
        stream, version = str(row.originator_id), row.originator_version
        begins = 1 if self._manifest.tree is not None else version
        due = self._versions.get(stream, begins - 1) + 1
        if version < due or (version > due and not self._manifest.filter):
            findings.add("order_broken", row.id, f"{stream} has version {version} here, where {due} is due")
        self._versions[stream] = version

    def _decode(self, row: RecordedRow, findings: Findings) -> None:
        """Whether a fact is one this version knows; those about keys tell who signs."""
        try:
            event = self._mapper.to_domain_event(row)
            if event.stream == streams.log_key():
                self._keys = log_keys.fold(self._keys, [event])
        except UnknownEventType as error:
            findings.add("unknown_event_type", row.id, str(error))
        except (InvalidEvent, ImpossibleStep) as error:
            findings.add("invalid_event", row.id, str(error))

    def _held(self, name: str, note: Note) -> Held:
        found, origin = Checkpoint.parse(note), origin_of(self._manifest.ledger_id)
        if found.origin != origin:
            raise OtherLedger(f"{name} is of {found.origin!r}, and the export of {origin!r}")
        return Held(found.size, found.root, name)


def _check_signed(notes: Sequence[tuple[str, Note]], verifiers: Sequence[Verifier]) -> None:
    for name, note in notes:
        try:
            note.verified_by(verifiers)
        except Unsigned as error:
            raise Unsigned(f"{name}: {error}") from None

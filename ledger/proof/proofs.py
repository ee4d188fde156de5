"""What the kept tree can prove, for whoever asks."""

from typing import cast

from ledger.mapper import RecordedRow
from ledger.port import LedgerRecorder
from ledger.proof.consistency import Consistency
from ledger.proof.errors import NotCovered
from ledger.proof.leaves import envelope_of, leaf_hash
from ledger.proof.merkle import check_consistency, check_inclusion, consistency_proof, inclusion_proof, root
from ledger.proof.port import KeptCheckpoint, TreeReader
from ledger.proof.receipts import Receipt, receipt_of
from ledger.proof.tiles import TileNodes


class Proofs:
    """Proofs from tiles. Safe to use from several threads; raises `ledger.errors.Unavailable`."""

    def __init__(self, tree: TreeReader, recorder: LedgerRecorder) -> None:
        self.tree = tree
        self._recorder = recorder

    def checkpoint(self) -> KeptCheckpoint:
        """The newest checkpoint. Raises NotCovered while there is none."""
        newest = self.tree.newest()
        if newest is None:
            raise NotCovered("no checkpoint was taken yet")
        return newest

    def consistency(self, old: int, new: int) -> list[bytes]:
        """That the first `old` facts are the beginning of the first `new`. Raises NotCovered."""
        if new > self.tree.size():
            raise NotCovered(f"the tree has {self.tree.size()} facts, not {new}")
        return consistency_proof(TileNodes(self.tree.tile, new), old, new)

    def continuation(self, old: int) -> Consistency:
        """That the newest checkpoint goes on from the first `old` facts. Raises NotCovered.

        It is checked before it is handed out: Mismatch is raised for a tile that was changed.
        """
        newest = self.checkpoint()
        nodes = TileNodes(self.tree.tile, newest.size)
        proof = consistency_proof(nodes, old, newest.size)
        old_root = root(nodes, old)
        check_consistency(old=old, old_root=old_root, new=newest.size, new_root=newest.root, proof=proof)
        return Consistency(old, tuple(proof), newest.note)

    def position(self, stream: str, version: int) -> int:
        """Where a stream's fact of this version is. Raises NotCovered when there is none."""
        rows = self._recorder.select_events(stream, gt=version - 1, lte=version)
        if not rows:
            raise NotCovered(f"{stream} has no version {version}")
        return cast("RecordedRow", rows[0]).id

    def receipt(self, position: int) -> Receipt:
        """That the fact at this position is under the newest checkpoint. Raises NotCovered.

        The receipt is checked before it is handed out: Mismatch is raised for a fact or a tile that was changed.
        """
        checkpoint = self.tree.newest(covering=position)
        rows = self._recorder.read(position - 1, limit=1) if position > 0 else ()
        if not rows or rows[0].id != position:
            raise NotCovered(f"there is no fact at position {position}")
        if checkpoint is None:
            raise NotCovered(f"no checkpoint covers position {position} yet: the next one will")
        envelope, index = envelope_of(rows[0]), position - 1
        path = inclusion_proof(TileNodes(self.tree.tile, checkpoint.size), index, checkpoint.size)
        check_inclusion(leaf=leaf_hash(envelope), index=index, size=checkpoint.size, proof=path, root=checkpoint.root)
        return receipt_of(index, path, checkpoint.note, envelope)

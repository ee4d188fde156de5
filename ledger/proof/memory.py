"""The tree in memory, for tests and the simulation. Keeps the contract of `ledger.proof.port`."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from ledger.port import LedgerRecorder
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import NotCovered
from ledger.proof.leaves import leaf_of
from ledger.proof.merkle import HASH_BYTES
from ledger.proof.port import CHECKPOINTS_READ_MAX, KeptCheckpoint, TreeStore
from ledger.proof.tiles import Edge, Tile


class MemoryTree(TreeStore):
    """A tree over a recorder's events. Nothing survives the process."""

    def __init__(self, recorder: LedgerRecorder, ledger_id: UUID) -> None:
        self.recorder = recorder
        self.id = ledger_id
        self.of: UUID | None = None
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.partials: dict[tuple[int, int], bytes] = {}
        self.count = 0
        self.notes: dict[int, KeptCheckpoint] = {}
        self.pushes: dict[str, int] = {}
        self._lock = threading.Lock()

    def ledger_id(self) -> UUID:
        """Which ledger this is."""
        return self.id

    def size(self) -> int:
        """How many facts are in the tree."""
        return self.count

    def head(self) -> int:
        """How many facts are in the ledger."""
        return self.recorder.max_notification_id() or 0

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered."""
        at = tile.level, tile.index
        found = self.tiles.get(at) or self.partials.get(at, b"")
        if len(found) < tile.width * HASH_BYTES:
            raise NotCovered(f"the tree has no tile {tile.path} yet")
        return found[: tile.width * HASH_BYTES]

    def newest(self, *, covering: int = 0) -> KeptCheckpoint | None:
        """The newest checkpoint of at least `covering` facts."""
        newest = self.notes.get(max(self.notes, default=0))
        return newest if newest is not None and newest.size >= covering else None

    def checkpoints(self, *, after: int = 0, limit: int = CHECKPOINTS_READ_MAX) -> Sequence[KeptCheckpoint]:
        """Checkpoints of more than `after` facts, the smallest first."""
        return [self.notes[size] for size in sorted(self.notes) if size > after][:limit]

    def pushed(self, target: str) -> int:
        """How many facts the newest checkpoint covers that a target has."""
        return self.pushes.get(target, 0)

    def set_pushed(self, target: str, size: int) -> None:
        """Says how many that are now."""
        self.pushes[target] = size

    @contextmanager
    def turn(self) -> Iterator["MemoryTurn | None"]:
        """The turn, None while another thread has it."""
        if not self._lock.acquire(blocking=False):
            yield None
            return
        try:
            yield MemoryTurn(self)
        finally:
            self._lock.release()


class MemoryTurn:
    """The right to make the tree grow."""

    def __init__(self, tree: MemoryTree) -> None:
        self._tree = tree
        self.ledger_id = tree.of
        self.edge = Edge.of(tree.tile, tree.count)

    def leaves(self, after: int, limit: int) -> Sequence[bytes]:
        """The leaf hashes of the next facts behind `after`."""
        return [leaf_of(row) for row in self._tree.recorder.read(after, limit=limit)]

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width."""
        return self._tree.tile(tile)

    def keep(self, full: Sequence[tuple[Tile, bytes]], edge: Edge, ledger_id: UUID) -> None:
        """Keeps the tiles that became full, and the edge behind them."""
        self._tree.tiles |= {(tile.level, tile.index): hashes for tile, hashes in full}
        self._tree.partials = {(tile.level, tile.index): hashes for tile, hashes in edge.partial()}
        self._tree.count, self._tree.of = edge.size, ledger_id

    def sign(self, checkpoint: Checkpoint, note: str, taken_at: datetime) -> None:
        """Keeps a checkpoint."""
        self._tree.notes.setdefault(checkpoint.size, KeptCheckpoint(checkpoint.size, checkpoint.root, note, taken_at))

"""Where the tree and its checkpoints are kept, and who may make them grow."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ledger.proof.checkpoints import Checkpoint
from ledger.proof.tiles import Edge, Tile

CHECKPOINTS_READ_MAX = 1_000
"""Most checkpoints in one read."""


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that was signed."""

    size: int
    root: bytes
    note: str
    """As it was signed."""
    taken_at: datetime


class SignedMemory(Protocol):
    """What each key signed last, apart from the database: a copy of that which lagged behind remembers less.

    Durability: a note survives a power cut before `keep` returns, since others may see it from then on.
    """

    def newest(self, key_id: str) -> Checkpoint | None:
        """What the last note says that was kept of this key, None while there is none."""

    def keep(self, key_id: str, note: str) -> None:
        """Keeps a note in the place of the last one."""


class TreeReader(Protocol):
    """The tree as it is kept. From any number of threads. Errors: Unavailable when the store does not answer."""

    def ledger_id(self) -> UUID:
        """Which ledger this is."""

    def size(self) -> int:
        """How many facts are in the tree."""

    def head(self) -> int:
        """How many facts are in the ledger: what the tree lags behind."""

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered when the tree has no such tile yet."""

    def newest(self, *, covering: int = 0) -> KeptCheckpoint | None:
        """The newest checkpoint, None when there is none of at least `covering` facts."""

    def checkpoints(self, *, after: int = 0, limit: int = CHECKPOINTS_READ_MAX) -> Sequence[KeptCheckpoint]:
        """Checkpoints of more than `after` facts, the smallest first."""


class TreeTurn(Protocol):
    """The right to make the tree grow, to the end of the block it was given in; then all of it is kept or none."""

    edge: Edge
    """The right edge of the tree as it is kept."""
    ledger_id: UUID | None
    """Of which ledger the tree is; None while it is empty."""

    def leaves(self, after: int, limit: int) -> Sequence[bytes]:
        """The leaf hashes of the next facts behind position `after`. Raises Corrupt when a position is missing."""

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, as `TreeReader.tile`."""

    def keep(self, full: Sequence[tuple[Tile, bytes]], edge: Edge, ledger_id: UUID) -> None:
        """Keeps the tiles that became full, and the edge behind them."""

    def sign(self, checkpoint: Checkpoint, note: str, taken_at: datetime) -> None:
        """Keeps a checkpoint. One of this size that is kept already stays."""


class TreeStore(TreeReader, Protocol):
    """A kept tree that grows. Full tiles and checkpoints are written once."""

    def turn(self) -> AbstractContextManager[TreeTurn | None]:
        """The turn, None while somebody else has it. Who dies gives it back, and what was not kept is done again."""

"""Holds facts to tiles and checkpoints: whether they are what was signed, and if not, where.

Two trees grow side by side from where they first differ: that of the facts as they are, and that of the leaf hashes
that survive in tiles. At each checkpoint one of them has to have its root: the first, and the tiles are wrong; the
second, and the facts are, exactly where the leaves differ. If neither has it, something is wrong since the last
checkpoint that was right.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from ledger.proof.errors import ProofError
from ledger.proof.findings import Findings, Kind
from ledger.proof.merkle import HASH_BYTES, root
from ledger.proof.tiles import HEIGHT, WIDTH, Edge, ReadTile, Tile, TileNodes, split

MISSING = bytes(HASH_BYTES)
"""The leaf of a fact that is not there: no hash is known to be this."""


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint to hold the ledger to."""

    size: int
    root: bytes
    name: str
    """How it is called in findings."""
    kept_here: bool = False
    """Whether it was kept beside the ledger, where the ledger's owner could change it too."""


@dataclass(slots=True)
class _Confirmed:
    """Up to where checkpoints of one origin confirmed the facts."""

    size: int = 0
    broken: bool = False


@dataclass(slots=True)
class TreeCheck:
    """Takes leaf hashes in their order. `tiles` has those of the first `tiled` facts, as far as they survive."""

    held: Sequence[Held]
    findings: Findings
    tiles: ReadTile | None = None
    tiled: int = 0
    size: int = 0
    """How many leaves were added."""
    _facts: Edge = field(default_factory=Edge)
    _kept: Edge | None = None
    """The tree of the tiles' leaves, from where it differs."""
    _differing: list[int] = field(default_factory=list)
    """Positions at which facts and tiles differ since a checkpoint told which is right."""
    _waiting: list[bytes] = field(default_factory=list)
    """Leaves of a tile that is not full."""
    _confirmed: dict[bool, _Confirmed] = field(default_factory=lambda: {True: _Confirmed(), False: _Confirmed()})
    _stops: list[tuple[int, Held | None]] = field(init=False)
    """Sizes at which the trees are looked at, the smallest last; without a checkpoint, the end of the kept tree."""

    def __post_init__(self) -> None:
        # Where two are of one size, what others hold is heard first.
        held = sorted(self.held, key=lambda each: (each.size, each.kept_here), reverse=True)
        self._stops = [(self.tiled, None), *((each.size, each) for each in held)]
        self._stops.sort(key=lambda each: each[0], reverse=True)

    @property
    def covered(self) -> int:
        """Facts under the largest checkpoint that was right."""
        return max(each.size for each in self._confirmed.values())

    @property
    def size_needed(self) -> int:
        """Facts there have to be, by what is held and kept."""
        return max([self.tiled, *(each.size for each in self.held)])

    def add(self, leaves: Sequence[bytes]) -> None:
        """Adds the next leaves."""
        self.size += len(leaves)
        self._waiting += leaves
        whole = len(self._waiting) // WIDTH * WIDTH
        for begin in range(0, whole, WIDTH):
            self._tile(self._waiting[begin : begin + WIDTH])
        del self._waiting[:whole]

    def finish(self) -> None:
        """Says that there are no more."""
        if self.size < self.size_needed:
            cut = "the ledger was cut: these facts are gone"
            self.findings.add("facts_missing", self.size + 1, cut, last=self.size_needed)
        if self._waiting:
            self._tile(self._waiting)
        if self._differing:
            self._say_differing(
                "tree_changed", "differs from its leaf hash in the tree; no checkpoint says which is right"
            )

    def _tile(self, leaves: list[bytes]) -> None:
        """Takes the leaves of one tile, from one size at which the trees are looked at to the next."""
        begin = self._facts.size
        kept = self._surviving(begin, leaves)
        done = 0
        while self._stops and self._stops[-1][0] <= begin + len(leaves):
            size, held = self._stops.pop()
            self._extend(leaves[done : size - begin], kept[done : size - begin])
            done = size - begin
            if held is None:
                self._compare_roots()
            else:
                self._judge(held)
        self._extend(leaves[done:], kept[done:])

    def _surviving(self, begin: int, leaves: list[bytes]) -> list[bytes]:
        """The leaf hashes that tiles have of these facts; the facts' own where no tile survives."""
        width = min(self.tiled - begin, WIDTH, len(leaves))
        if self.tiles is None or width <= 0:
            return leaves
        tile = Tile(0, begin // WIDTH, width)
        try:
            hashes = self.tiles(tile)
            return leaves if hashes == b"".join(leaves) else [*split(hashes), *leaves[width:]]
        except ProofError as error:
            self.findings.add(
                "tree_changed", begin + 1, f"the tile {tile.path} is damaged: {error}", last=begin + width
            )
            return leaves

    def _extend(self, leaves: list[bytes], kept: list[bytes]) -> None:
        """Lets both trees grow. They part where the leaves differ from those that survive."""
        if kept != leaves:
            self._kept = self._kept or deepcopy(self._facts)
            first = self._facts.size + 1
            at = zip(leaves, kept, strict=True)
            self._differing += [position for position, (one, other) in enumerate(at, first) if one != other]
        full = self._facts.extend(leaves)
        by_tiles = full if self._kept is None else self._kept.extend(kept)
        for (tile, hashes), (_, other) in zip(full, by_tiles, strict=True):
            if tile.level > 0 and not any(each.broken for each in self._confirmed.values()):
                self._compare(tile, {hashes, other})

    def _compare(self, tile: Tile, expected: set[bytes]) -> None:
        """A tile above the leaves has to follow from those below, as they are or as they survive."""
        if self.tiles is None:
            return
        last = (tile.index + 1) << HEIGHT * (tile.level + 1)
        try:
            if last > self.tiled or self.tiles(tile) in expected:
                return
            wrong = "does not follow from those below"
        except ProofError as error:
            wrong = f"is damaged: {error}"
        first = (tile.index << HEIGHT * (tile.level + 1)) + 1
        self.findings.add("tree_changed", first, f"the tile {tile.path} {wrong}", last=last)

    def _compare_roots(self) -> None:
        """The root of the kept tree has to follow from its leaves, or from the facts."""
        if self.tiles is None or self.tiled == 0 or any(each.broken for each in self._confirmed.values()):
            return
        expected = {self._facts.root(), (self._kept or self._facts).root()}
        try:
            if root(TileNodes(self.tiles, self.tiled), self.tiled) in expected:
                return
            wrong = "does not follow from its leaves"
        except ProofError as error:
            wrong = f"cannot be made: {error}"
        self.findings.add("tree_changed", 1, f"the root of the kept tree {wrong}", last=self.tiled)

    def _judge(self, held: Held) -> None:
        """Whether the facts up to a checkpoint are those it was signed of."""
        confirmed = self._confirmed[held.kept_here]
        if self._facts.root() == held.root:
            self._say_differing("tree_changed", "the leaf hash in the tree was changed, and the fact was not")
            self._kept = None
        elif self._kept is not None and self._kept.root() == held.root:
            self._say_differing("facts_changed", f"not the fact that was signed ({held.name})")
            self._facts, self._kept = self._kept, None
        elif confirmed.broken:
            return
        else:
            confirmed.broken = True
            where = f"{held.name} has another root: something was changed, inserted, removed or moved in here"
            self.findings.add("facts_changed", confirmed.size + 1, where, last=held.size, exact=False)
            return
        confirmed.size = held.size

    def _say_differing(self, kind: Kind, message: str) -> None:
        for position in self._differing:
            self.findings.add(kind, position, message)
        self._differing = []

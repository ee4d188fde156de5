"""The tree as tiles (c2sp.org/tlog-tiles): 256 hashes of one height in a file, each height 8 above the last.

A tile of level 0 has leaf hashes; one of level 1 has the roots of full tiles of level 0, and so on. A full tile never
changes. The tile at the right edge is partial until it is full.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ledger.proof.errors import Malformed
from ledger.proof.merkle import HASH_BYTES, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT
"""Hashes of a full tile."""
TILE_BYTES = WIDTH * HASH_BYTES
LEVEL_MAX = 63

_PATH = re.compile(r"(?P<level>0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Which tile: its level, its index in the level, and how many hashes it has."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its path below `tile/`, for example `0/x001/x234/067.p/12`."""
        digits = f"{self.index:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        return f"{self.level}/{name}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> Self:
        """The tile of a path below `tile/`. Raises Malformed for any path but the one that a tile has."""
        match = _PATH.fullmatch(path)
        if match is not None:
            index = int(match["index"].replace("x", "").replace("/", ""))
            found = cls(int(match["level"]), index, int(match["width"] or WIDTH))
            if found.level <= LEVEL_MAX and found.path == path:
                return found
        raise Malformed(f"not the path of a tile: {path[:80]!r}")


ReadTile = Callable[[Tile], bytes]
"""Gives the hashes of a tile, or at least so many of them as its width says."""


def tiles_of(size: int, *, beyond: int = 0) -> Iterator[Tile]:
    """Every tile of a tree of `size` leaves that one of `beyond` leaves did not have, level by level."""
    for level in range(LEVEL_MAX + 1):
        hashes, had = size >> HEIGHT * level, beyond >> HEIGHT * level
        if not hashes:
            return
        for index in range(had // WIDTH, hashes // WIDTH):
            yield Tile(level, index)
        if hashes % WIDTH and hashes != had:
            yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def split(hashes: bytes) -> list[bytes]:
    """The hashes of a tile, one by one. Raises Malformed when they are not whole."""
    if len(hashes) % HASH_BYTES or len(hashes) > TILE_BYTES:
        raise Malformed(f"a tile has {WIDTH} hashes of {HASH_BYTES} bytes at most, not {len(hashes)} bytes")
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


class TileNodes:
    """The complete subtrees of a tree of `size` leaves, read from its tiles: `ledger.proof.merkle.Nodes`.

    Holds the tiles it has read, which a proof needs a handful of.
    """

    def __init__(self, read: ReadTile, size: int) -> None:
        self._read = read
        self._size = size
        self._held: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, height: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises Malformed when a tile is not as large as it has to be."""
        level, rise = divmod(height, HEIGHT)
        first = index << rise
        at = first % WIDTH
        return root_of(self._hashes(level, first // WIDTH)[at : at + (1 << rise)])

    def _hashes(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._held:
            width = min((self._size >> HEIGHT * level) - index * WIDTH, WIDTH)
            found = split(self._read(Tile(level, index, width)))[:width]
            if len(found) != width:
                raise Malformed(f"the tile {Tile(level, index, width).path} has only {len(found)} hashes")
            self._held[level, index] = found
        return self._held[level, index]


class Edge:
    """The right edge of a growing tree: what has to be held to go on, at most 255 hashes a level."""

    def __init__(self, levels: Sequence[Sequence[bytes]] = (), full: Sequence[int] = ()) -> None:
        """`levels` are the hashes of the partial tiles, `full` how many full tiles each level has."""
        self._levels = [list(each) for each in levels]
        self._full = list(full) or [0] * len(self._levels)

    @classmethod
    def of(cls, read: ReadTile, size: int) -> Self:
        """The edge of a tree of `size` leaves, read from its partial tiles."""
        levels, full = [], []
        level = 0
        while hashes := size >> HEIGHT * level:
            width = hashes % WIDTH
            levels.append(split(read(Tile(level, hashes // WIDTH, width)))[:width] if width else [])
            full.append(hashes // WIDTH)
            level += 1
        return cls(levels, full)

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._full[0] * WIDTH + len(self._levels[0]) if self._levels else 0

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Adds leaf hashes. Returns the tiles that became full."""
        became_full: list[tuple[Tile, bytes]] = []
        at = 0
        while at < len(leaves):
            room = WIDTH - len(self._level(0))
            self._levels[0] += leaves[at : at + room]
            at += room
            self._carry(0, became_full)
        return became_full

    def root(self) -> bytes:
        """The root above everything."""
        below: list[bytes] = []
        for hashes in self._levels:
            joined = [*hashes, *below]
            below = [root_of(joined)] if joined else []
        return root_of(below)

    def partial(self) -> Iterator[tuple[Tile, bytes]]:
        """The partial tiles."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                yield Tile(level, self._full[level], len(hashes)), b"".join(hashes)

    def _carry(self, level: int, became_full: list[tuple[Tile, bytes]]) -> None:
        """Makes a tile of a level that is full, and hands its root to the level above."""
        hashes = self._levels[level]
        if len(hashes) < WIDTH:
            return
        became_full.append((Tile(level, self._full[level]), b"".join(hashes)))
        self._full[level] += 1
        self._levels[level] = []
        self._level(level + 1).append(root_of(hashes))
        self._carry(level + 1, became_full)

    def _level(self, level: int) -> list[bytes]:
        if len(self._levels) <= level:
            self._levels.append([])
            self._full.append(0)
        return self._levels[level]

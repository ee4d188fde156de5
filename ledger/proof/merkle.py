"""The Merkle tree of RFC 6962 section 2.1: roots, proofs, and checking them.

A proof is a list of hashes of ranges of leaves. Which ranges follows from the sizes alone, so that who proves and who
checks both name them by the same function. Whoever can give the hashes of complete subtrees (`Nodes`) can prove; who
checks puts the root together from the hashes that were sent.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from ledger.proof.errors import Mismatch, NotCovered, WrongSize

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
NODE_PREFIX = b"\x01"
_NODE = sha256(NODE_PREFIX)

Nodes = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree of `2**height` leaves that is the `index`-th of its height."""


class Range(NamedTuple):
    """Leaves `begin` to `end` - 1."""

    begin: int
    end: int


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash above two hashes."""
    hashed = _NODE.copy()
    hashed.update(left + right)
    return hashed.digest()


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes one level up; an odd last one has no sibling yet and goes up as it is.

    Most of a tree's time is spent here: to feed two hashes one by one is less than to join them first.
    """
    begun = _NODE.copy
    above = []
    pairs = iter(hashes)
    for left, right in zip(pairs, pairs, strict=False):
        hashed = begun()
        hashed.update(left)
        hashed.update(right)
        above.append(hashed.digest())
    if len(hashes) % 2:
        above.append(hashes[-1])
    return above


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root above hashes of equal height, of which only the last may be of a smaller subtree."""
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > 1:
        hashes = parents(hashes)
    return hashes[0]


class Leaves:
    """A tree whose leaf hashes are all held: for tests, exports and whatever fits in memory."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._levels: list[Sequence[bytes]] = [hashes]

    def __call__(self, height: int, index: int) -> bytes:
        """The hash of a complete subtree."""
        while len(self._levels) <= height:
            below = self._levels[-1]
            self._levels.append(parents(below[: len(below) // 2 * 2]))
        return self._levels[height][index]


def root(nodes: Nodes, size: int) -> bytes:
    """The root of the first `size` leaves."""
    return range_hash(nodes, Range(0, size)) if size else EMPTY_ROOT


def range_hash(nodes: Nodes, leaves: Range) -> bytes:
    """The hash of a range as it appears in a tree: aligned to its own size."""
    count = leaves.end - leaves.begin
    height = count.bit_length() - 1
    if count == 1 << height:
        return nodes(height, leaves.begin >> height)
    middle = leaves.begin + (1 << height)
    return node_hash(range_hash(nodes, Range(leaves.begin, middle)), range_hash(nodes, Range(middle, leaves.end)))


def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges an inclusion proof is made of, from the leaf's sibling upwards. Raises NotCovered."""
    if not 0 <= index < size:
        raise NotCovered(f"there is no leaf {index} in a tree of {size}")
    path: list[Range] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(begin, middle))
            begin = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> list[Range]:
    """The ranges a consistency proof is made of, in their order. Raises NotCovered."""
    if not 0 <= old <= new:
        raise NotCovered(f"a tree of {new} leaves does not go on from one of {old}")
    if old in (0, new):
        return []
    path: list[Range] = []
    begin, end = 0, new
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(begin, middle))
            begin = middle
    if begin:  # else the old root is what the checker holds
        path.append(Range(begin, end))
    return path[::-1]


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of `size` leaves. Raises NotCovered."""
    return [range_hash(nodes, each) for each in inclusion_path(index, size)]


def consistency_proof(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """The hashes that show that the tree of `old` leaves is the beginning of the one of `new`. Raises NotCovered."""
    return [range_hash(nodes, each) for each in consistency_path(old, new)]


def check_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises Mismatch unless the proof leads from this leaf hash at `index` to the root of `size` leaves."""
    if not 0 <= index < size:
        raise Mismatch(f"there is no leaf {index} in a tree of {size}")
    known = {Range(index, index + 1): leaf, **_hashes_of(inclusion_path(index, size), proof)}
    if _from_known(known, Range(0, size)) != root:
        raise Mismatch(f"the inclusion proof of leaf {index} does not lead to the root of {size} leaves")


def check_consistency(*, old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises Mismatch unless the proof shows that the first `old` of `new` leaves are those of `old_root`.

    WrongSize where the later tree is the smaller one.
    """
    if not 0 <= old <= new:
        raise WrongSize(f"a tree of {new} leaves does not go on from one of {old}")
    known = {Range(0, 0): EMPTY_ROOT, **_hashes_of(consistency_path(old, new), proof)}
    if old in (new, 0):
        known.setdefault(Range(0, new), new_root)
    elif old & (old - 1) == 0:  # a complete subtree of both, which is not sent
        known[Range(0, old)] = old_root
    if _from_known(known, Range(0, old)) != old_root or _from_known(known, Range(0, new)) != new_root:
        raise Mismatch(f"the tree of {new} leaves does not begin with this tree of {old}")


def _hashes_of(path: Sequence[Range], proof: Sequence[bytes]) -> dict[Range, bytes]:
    if len(path) != len(proof):
        raise Mismatch(f"the proof has {len(proof)} hashes, and for trees of these sizes it has {len(path)}")
    return dict(zip(path, proof, strict=True))


def _from_known(known: Mapping[Range, bytes], leaves: Range) -> bytes:
    """The hash of a range whose parts are known, to the last leaf."""
    if leaves in known:
        return known[leaves]
    middle = leaves.begin + _split(leaves.end - leaves.begin)
    left, right = Range(leaves.begin, middle), Range(middle, leaves.end)
    return node_hash(_from_known(known, left), _from_known(known, right))


def _split(count: int) -> int:
    """The largest power of two below `count`: how many leaves are on the left."""
    return 1 << (count - 1).bit_length() - 1

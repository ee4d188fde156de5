"""Mutation tests: whatever is done to a ledger, or to the tree beside it, verification finds it and says where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import streams
from ledger.mapper import encode
from ledger.proof.errors import NotCovered
from ledger.proof.findings import Finding, Findings
from ledger.proof.merkle import HASH_BYTES, Leaves, root
from ledger.proof.row_check import Row, RowCheck
from ledger.proof.tiles import Edge, Tile
from ledger.proof.tree_check import Held
from ledger.proof.verify import Verified, verify_rows
from tests.ledger.ledger_facts import small
from tests.trying import tries

SIZE_MAX = 700
COLUMNS = range(1, 13)
"""Of a row, without its position."""
STREAMS = 7
TIMES = 4
"""Facts that are recorded at one moment."""


@cache
def ledger() -> tuple[Row, ...]:
    """Facts in a few streams, in order."""
    names = [streams.render("acme", f"video_{number:032x}") for number in range(STREAMS)]
    rows: list[Row] = []
    for index in range(SIZE_MAX):
        at = 800_000_000_000_000 + index // TIMES
        event_id = f"0190a0b0-0000-7000-8000-{index:012x}"
        fact = small(index)
        place = (index + 1, names[index % STREAMS], index // STREAMS + 1)
        context = ("acme", "key_1", event_id, None, "a" * 32)
        rows.append((*place, fact.TYPE, event_id, at, at, *context, encode(fact)))
    return tuple(rows)


@cache
def leaves() -> tuple[bytes, ...]:
    return tuple(RowCheck(Findings(), size_needed=0).leaves(ledger()))


@dataclass
class Proven:
    """A ledger of `size` facts with tiles of the first `tiled` of them, and checkpoints at some sizes."""

    size: int
    tiled: int
    checkpoints: Sequence[int]
    rows: list[Row] = field(init=False)
    tiles: dict[tuple[int, int], bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = list(ledger()[: self.size])
        edge = Edge()
        full = edge.extend(leaves()[: self.tiled])
        self.tiles = {(tile.level, tile.index): hashes for tile, hashes in [*full, *edge.partial()]}

    @property
    def held(self) -> list[Held]:
        nodes = Leaves(leaves())
        return [Held(size, root(nodes, size), f"checkpoint {size}") for size in self.checkpoints]

    @property
    def covered(self) -> int:
        return max(self.checkpoints, default=0)

    def read(self, tile: Tile) -> bytes:
        found = self.tiles.get((tile.level, tile.index), b"")
        if len(found) < tile.width * HASH_BYTES:
            raise NotCovered(tile.path)
        return found[: tile.width * HASH_BYTES]

    def verify(self, *, with_tiles: bool = True) -> Verified:
        batches = [self.rows[begin : begin + 100] for begin in range(0, len(self.rows), 100)]
        return verify_rows(
            batches,
            held=self.held,
            tiles=self.read if with_tiles else None,
            tiled=self.tiled if with_tiles else 0,
            findings=Findings(),
        )

    def interval(self, position: int) -> tuple[int, int]:
        """The first checkpoint that covers a position, from where the one before it ends."""
        last = min(size for size in self.checkpoints if size >= position)
        return max([0, *(size for size in self.checkpoints if size < position)]) + 1, last


@st.composite
def proven(draw: st.DrawFn) -> Proven:
    size = draw(st.integers(2, SIZE_MAX) | st.sampled_from([255, 256, 257, 511, 512, 513]))
    tiled = draw(st.integers(1, size))
    checkpoints = draw(st.sets(st.integers(1, tiled), min_size=1, max_size=4))
    return Proven(size, tiled, sorted(checkpoints))


def changed(row: Row, column: int) -> Row:
    """The row with another value in one column."""
    value = row[column]
    other: object = value + 1 if isinstance(value, int) else "x" if value is None else flipped(value)
    return tuple(other if at == column else each for at, each in enumerate(row))  # type: ignore[return-value]


def flipped(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value[:-9] + bytes([value[-9] ^ 1]) + value[-8:]  # a digit in a field
    return value[:-1] + ("0" if value[-1] != "0" else "1")


def renumbered(rows: Sequence[Row]) -> list[Row]:
    """As an owner would who covers it up."""
    return [(index, *row[1:]) for index, row in enumerate(rows, start=1)]


def exactly_at(verified: Verified, position: int) -> bool:
    return any(each.exact and each.first <= position <= each.last for each in verified.findings)


def begins_at(verified: Verified, position: int) -> bool:
    return any(each.exact and each.first == position for each in verified.findings)


def tampered_kinds(findings: Sequence[Finding]) -> set[str]:
    return {each.kind for each in findings}


@given(proven())
def test_what_nobody_touched_holds(given_: Proven) -> None:
    for with_tiles in (True, False):
        verified = given_.verify(with_tiles=with_tiles)
        assert verified.held, verified.findings
        assert (verified.facts, verified.covered) == (given_.size, given_.covered)


@pytest.mark.parametrize("column", COLUMNS)
@settings(max_examples=tries(12))
@given(data=st.data())
def test_a_change_of_any_column_is_found(column: int, data: st.DataObject) -> None:
    given_ = data.draw(proven())
    position = data.draw(st.integers(1, given_.tiled))
    given_.rows[position - 1] = changed(given_.rows[position - 1], column)
    verified = given_.verify()
    assert begins_at(verified, position), "exactly, where leaf hashes survive"
    if position <= given_.covered:
        assert "facts_changed" in verified.kinds
        first, last = given_.interval(position)
        blind = given_.verify(with_tiles=False)
        assert any((each.first, each.last, each.exact) == (first, last, False) for each in blind.findings)
    else:
        assert verified.kinds, "not under a checkpoint, but not as it was sequenced"


Rewrite = Callable[[list[Row], int], list[Row]]
REWRITES: dict[str, Rewrite] = {
    "removed": lambda rows, at: [*rows[: at - 1], *rows[at:]],
    "removed and closed": lambda rows, at: renumbered([*rows[: at - 1], *rows[at:]]),
    "inserted": lambda rows, at: renumbered([*rows[: at - 1], changed(rows[at - 1], 4), *rows[at - 1 :]]),
    "swapped": lambda rows, at: renumbered([*rows[: at - 1], rows[at], rows[at - 1], *rows[at + 1 :]]),
    "moved to the end": lambda rows, at: renumbered([*rows[: at - 1], *rows[at:], rows[at - 1]]),
    "doubled": lambda rows, at: [*rows[:at], rows[at - 1], *rows[at:]],
}


@pytest.mark.parametrize("how", REWRITES)
@settings(max_examples=tries(25))
@given(data=st.data())
def test_a_removal_an_insertion_and_another_order_are_found(how: str, data: st.DataObject) -> None:
    given_ = data.draw(proven())
    position = data.draw(st.integers(1, max(1, min(given_.covered, given_.size - 1))))
    given_.rows = REWRITES[how](given_.rows, position)
    verified = given_.verify()
    assert exactly_at(verified, position), verified.findings
    blind = given_.verify(with_tiles=False)
    first, last = given_.interval(position)
    assert any(each.first <= last and each.last >= first for each in blind.findings), blind.findings


@settings(max_examples=tries(60))
@given(proven(), st.data())
def test_a_cut_of_the_last_facts_is_found(given_: Proven, data: st.DataObject) -> None:
    left = data.draw(st.integers(0, given_.covered - 1))
    del given_.rows[left:]
    for with_tiles in (True, False):
        verified = given_.verify(with_tiles=with_tiles)
        assert "facts_missing" in verified.kinds
        assert begins_at(verified, left + 1)


@settings(max_examples=tries(60))
@given(proven(), st.data())
def test_a_change_of_the_tree_is_found_and_not_taken_for_one_of_the_facts(given_: Proven, data: st.DataObject) -> None:
    level, index = data.draw(st.sampled_from(sorted(given_.tiles)))
    hashes = bytearray(given_.tiles[level, index])
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] ^= 1
    given_.tiles[level, index] = bytes(hashes)
    verified = given_.verify()
    assert verified.kinds == {"tree_changed"}, verified.findings
    if level == 0:
        assert exactly_at(verified, index * 256 + at // HASH_BYTES + 1)


@settings(max_examples=tries(30))
@given(proven(), st.data())
def test_a_tile_that_is_gone_or_cut_is_found(given_: Proven, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(sorted(given_.tiles)))
    given_.tiles[at] = given_.tiles[at][: -data.draw(st.integers(1, len(given_.tiles[at])))]
    assert given_.verify().kinds == {"tree_changed"}


@settings(max_examples=tries(40))
@given(proven(), st.data())
def test_facts_and_tiles_changed_alike_are_found_within_their_interval(given_: Proven, data: st.DataObject) -> None:
    position = data.draw(st.integers(1, given_.covered))
    row = changed(given_.rows[position - 1], 8)
    forged = list(leaves()[: given_.tiled])
    forged[position - 1 : position] = RowCheck(Findings(), size_needed=0).leaves([(1, *row[1:])])
    given_.rows[position - 1] = row
    edge = Edge()
    full = edge.extend(forged)
    given_.tiles = {(tile.level, tile.index): hashes for tile, hashes in [*full, *edge.partial()]}
    verified = given_.verify()
    first, last = given_.interval(position)
    assert "facts_changed" in tampered_kinds(verified.findings)
    assert any(each.first <= position <= each.last and each.last <= last for each in verified.findings), (first, last)


def test_several_changes_are_each_found() -> None:
    given_ = Proven(600, 600, [100, 300, 500])
    for position in (50, 150, 151, 310, 550):
        given_.rows[position - 1] = changed(given_.rows[position - 1], 8)
    found = given_.verify().findings
    assert [(each.kind, each.first, each.last) for each in found] == [
        ("facts_changed", 50, 50),
        ("facts_changed", 150, 151),
        ("facts_changed", 310, 310),
        ("tree_changed", 550, 550),
    ]


def test_a_history_that_was_rewritten_as_a_whole_is_found_by_a_checkpoint_that_others_hold() -> None:
    """Facts, tiles and the checkpoints that are kept beside them: all made anew by the owner."""
    given_ = Proven(400, 400, [])
    given_.rows[99] = changed(given_.rows[99], 8)
    forged = RowCheck(Findings(), size_needed=0).leaves(given_.rows)
    edge = Edge()
    full = edge.extend(forged)
    given_.tiles = {(tile.level, tile.index): hashes for tile, hashes in [*full, *edge.partial()]}
    kept = [Held(size, root(Leaves(forged), size), f"kept {size}", kept_here=True) for size in (50, 200, 400)]
    held = [Held(size, root(Leaves(leaves()), size), f"held {size}") for size in (60, 300)]
    verified = verify_rows([given_.rows], held=[*kept, *held], tiles=given_.read, tiled=400, findings=Findings())
    [finding] = verified.findings
    assert (finding.kind, finding.first, finding.last, finding.exact) == ("facts_changed", 61, 300, False)


def test_what_cannot_be_decoded_is_named() -> None:
    given_ = Proven(20, 20, [20])
    for position, column, value in (
        (3, 3, "render.unheard_of"),
        (5, 12, b'{"f":{},"v":1}'),
        (7, 12, b"\xff"),
        (9, 6, 2**63 - 1),
    ):
        row = given_.rows[position - 1]
        given_.rows[position - 1] = (*row[:column], value, *row[column + 1 :])  # type: ignore[assignment]
    verified = given_.verify()
    named = {(each.kind, each.first) for each in verified.findings}
    assert {("unknown_event_type", 3), ("invalid_event", 5), ("invalid_event", 7), ("invalid_event", 9)} <= named
    assert {("facts_changed", position) for position in (3, 5, 7, 9)} <= named


def test_what_is_out_of_order_is_named_also_without_a_checkpoint() -> None:
    given_ = Proven(20, 1, [])
    given_.rows[9] = changed(given_.rows[9], 2)
    given_.rows[14] = (*given_.rows[14][:5], 1, *given_.rows[14][6:])
    given_.rows[19] = (25, *given_.rows[19][1:])
    named = {(each.kind, each.first, each.last) for each in given_.verify(with_tiles=False).findings}
    assert {("order_broken", 10, 10), ("order_broken", 15, 15), ("facts_missing", 20, 24)} <= named

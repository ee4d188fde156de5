"""Tiles by the words and the examples of tlog-tiles, and proofs made of them."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.errors import Malformed
from ledger.proof.merkle import Leaves, consistency_proof, inclusion_proof, root
from ledger.proof.tiles import HEIGHT, WIDTH, Edge, Tile, TileNodes, tiles_of
from tests.trying import tries

from .test_merkle import numbered

SIZE = 70_000
LEAVES = numbered(SIZE)
NODES = Leaves(LEAVES)


def read(tile: Tile) -> bytes:
    """A tile by its definition."""
    first = tile.index * WIDTH
    return b"".join(NODES(HEIGHT * tile.level, first + number) for number in range(tile.width))


def test_the_index_is_written_in_groups_of_three() -> None:
    assert Tile(0, 1234067).path == "0/x001/x234/067"
    assert Tile(1, 7, 5).path == "1/007.p/5"
    assert Tile(2, 1000).path == "2/x001/000"
    for path in ("0/x001/x234/067", "1/007.p/5", "63/000.p/255", "2/x001/000"):
        assert Tile.parse(path).path == path


@pytest.mark.parametrize(
    "path",
    ["", "0", "0/7", "0/x007", "0/x000/007", "00/007", "64/007", "0/007.p/0", "0/007.p/256", "0/007.p/05", "0/007/",
     "entries/007", "../007", "0/1234067", "0/x01/234"],
)  # fmt: skip
def test_a_path_that_no_tile_has_is_refused(path: str) -> None:
    with pytest.raises(Malformed):
        Tile.parse(path)


def test_the_tiles_of_a_tree_of_70000_are_those_of_the_specification() -> None:
    tiles = list(tiles_of(70_000))
    assert sum(each.level == 0 and each.width == WIDTH for each in tiles) == 273
    assert [each for each in tiles if each.width < WIDTH] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [each for each in tiles if each.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


def test_a_grown_tree_has_new_tiles_only_where_it_grew() -> None:
    assert list(tiles_of(600, beyond=500)) == [Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)]
    assert list(tiles_of(600, beyond=599)) == [Tile(0, 2, 88)]
    assert list(tiles_of(600, beyond=600)) == []


@settings(max_examples=tries(40))
@given(st.lists(st.integers(0, 700), max_size=8))
def test_an_edge_gives_the_tiles_and_the_root_however_it_was_fed(portions: list[int]) -> None:
    edge, size = Edge(), 0
    stored: dict[Tile, bytes] = {}
    for portion in portions:
        stored.update(edge.extend(LEAVES[size : size + portion]))
        size += portion
    assert edge.size == size
    assert edge.root() == root(NODES, size)
    assert {**stored, **dict(edge.partial())} == {tile: read(tile) for tile in tiles_of(size)}


def test_an_edge_over_three_levels_goes_on_from_its_tiles() -> None:
    edge = Edge()
    edge.extend(LEAVES[:65_500])
    again = Edge.of(read, 65_500)
    for each in (edge, again):
        assert each.extend(LEAVES[65_500:]) == [(tile, read(tile)) for tile in full_between(65_500, SIZE)]
        assert each.root() == root(NODES, SIZE)
        assert each.size == SIZE


def full_between(old: int, new: int) -> list[Tile]:
    """In the order in which they become full."""
    full = [each for each in tiles_of(new, beyond=old) if each.width == WIDTH]
    return sorted(full, key=lambda each: ((each.index + 1) << HEIGHT * (each.level + 1), each.level))


@settings(max_examples=tries(40))
@given(st.data())
def test_proofs_made_of_tiles_are_those_made_of_leaves(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE]))
    index = data.draw(st.integers(0, size - 1))
    nodes = TileNodes(read, size)
    assert inclusion_proof(nodes, index, size) == inclusion_proof(NODES, index, size)
    assert consistency_proof(nodes, index, size) == consistency_proof(NODES, index, size)
    assert root(nodes, size) == root(NODES, size)


def test_a_tile_that_is_cut_is_named() -> None:
    with pytest.raises(Malformed, match=r"0/001\.p/44 has only 43"):
        root(TileNodes(lambda tile: read(tile)[: -32 if tile.index else None], 300), 300)
    with pytest.raises(Malformed):
        root(TileNodes(lambda tile: read(tile)[:-1], 300), 300)


@settings(max_examples=tries(60))
@given(size=st.integers(1, 700), damage=st.binary(max_size=80), whole=st.booleans())
def test_no_bytes_in_a_tiles_place_break_its_reader(size: int, damage: bytes, *, whole: bool) -> None:
    """What others keep of a tree is read as it comes: another root, or `Malformed`."""

    def damaged(tile: Tile) -> bytes:
        return (
            damage if whole else read(tile)[: -len(damage) or None] + damage
        )  # of the same length, where it is long enough

    with suppress(Malformed):
        assert len(root(TileNodes(damaged, size), size)) == 32

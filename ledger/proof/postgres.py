"""The tree in PostgreSQL, beside the facts. Keeps the contract of `ledger.proof.port`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from ledger.errors import Corrupt
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.chunks import chunks
from ledger.proof.errors import Diverged, NotCovered
from ledger.proof.leaves import column_leaves
from ledger.proof.merkle import HASH_BYTES
from ledger.proof.microseconds import give_microseconds
from ledger.proof.port import CHECKPOINTS_READ_MAX, KeptCheckpoint, TreeStore
from ledger.proof.row_check import Row
from ledger.proof.tiles import HEIGHT, WIDTH, Edge, Tile
from ledger.recorder import PostgresRecorder
from ledger.sql import query

_SQL = "ledger.proof.sql"
FETCH_ROWS = 256
"""Rows that are read at a time."""
TILES_AHEAD = 128
"""Tiles that are read at a time where one follows the other: a megabyte."""


class PostgresTree(TreeStore):
    """The tables `ledger.tiles`, `ledger.tree_edge` and `ledger.checkpoints`."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder

    def ledger_id(self) -> UUID:
        """Which ledger this is, by `ledger.epochs`."""
        with self._recorder.reading() as connection:
            return _ledger_id(connection)

    def size(self) -> int:
        """How many facts are in the tree."""
        with self._recorder.reading() as connection:
            return _edge(connection)[1]

    def head(self) -> int:
        """How many facts are in the ledger."""
        return self._recorder.max_notification_id() or 0

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered."""
        with self._recorder.reading() as connection:
            return _tile(connection, tile)

    def full_tiles(self, level: int, first: int, count: int) -> dict[int, bytes]:
        """The full tiles of a level by their index, `count` from `first` on, as far as there are so many."""
        bounds = {"level": level, "first": first, "count": count}
        with self._recorder.reading() as connection:
            return dict(connection.execute(query("tiles", _SQL), bounds, binary=True).fetchall())

    def newest(self, *, covering: int = 0) -> KeptCheckpoint | None:
        """The newest checkpoint of at least `covering` facts."""
        with self._recorder.reading() as connection:
            row = connection.execute(query("checkpoint_newest", _SQL), (covering,), binary=True).fetchone()
            return KeptCheckpoint(*row) if row else None

    def checkpoints(self, *, after: int = 0, limit: int = CHECKPOINTS_READ_MAX) -> Sequence[KeptCheckpoint]:
        """Checkpoints of more than `after` facts, the smallest first."""
        with self._recorder.reading() as connection:
            rows = connection.execute(query("checkpoints_after", _SQL), {"after": after, "limit": limit}, binary=True)
            return [KeptCheckpoint(*row) for row in rows]

    def pushed(self, target: str) -> int:
        """How many facts the newest checkpoint covers that a target has."""
        with self._recorder.reading() as connection:
            row = connection.execute(query("pushed", _SQL), (target,)).fetchone()
            return row[0] if row else 0

    def set_pushed(self, target: str, size: int) -> None:
        """Says how many that are now."""
        with self._recorder.reading() as connection:
            connection.execute(query("pushed_move", _SQL), (target, size))

    def rows(self) -> Iterator[Sequence[Row]]:
        """Every row of the ledger as it is now, in one snapshot, some at a time, however many there are."""
        with self._recorder.reading() as connection, connection.cursor() as cursor:
            give_microseconds(cursor)
            yield from chunks(cursor, query("rows", _SQL), rows=FETCH_ROWS)

    @contextmanager
    def turn(self) -> Iterator["PostgresTurn | None"]:
        """The turn to the end of the block, in one transaction. None while another process has it."""
        with self._recorder.reading() as connection, connection.transaction():
            row = connection.execute(query("turn", _SQL)).fetchone()
            yield PostgresTurn(connection) if row and row[0] else None


class TilesAhead:
    """Reads tiles one behind the other, many at a time: `ledger.proof.tiles.ReadTile`. Not for several threads."""

    def __init__(self, tree: PostgresTree) -> None:
        self._tree = tree
        self._level = -1
        self._first = 0
        self._held: dict[int, bytes] = {}

    def __call__(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width. Raises NotCovered."""
        if tile.level or tile.width < WIDTH:  # few, or at the edge
            return self._tree.tile(tile)
        if not self._first <= tile.index < self._first + TILES_AHEAD or self._level != tile.level:
            self._level, self._first = tile.level, tile.index
            self._held = self._tree.full_tiles(tile.level, tile.index, TILES_AHEAD)
        if tile.index not in self._held:
            raise NotCovered(f"the tree has no tile {tile.path}")
        return self._held[tile.index]


class PostgresTurn:
    """The right to make the tree grow: a transaction that holds the lock."""

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self._connection = connection
        self.ledger_id, size, partial = _edge(connection)
        self.edge = Edge.of(lambda tile: _partial(tile, size, partial), size)

    def leaves(self, after: int, limit: int) -> Sequence[bytes]:
        """The leaf hashes of the facts behind `after`. The server hashes their payloads. Raises Corrupt."""
        bounds = {"after": after, "limit": limit}
        with self._connection.cursor() as cursor:
            give_microseconds(cursor)
            rows = cursor.execute(query("leaves_after", _SQL), bounds, binary=True).fetchall()
        if rows and rows[-1][0] != after + len(rows):
            raise Corrupt(f"positions {after + 1} to {rows[-1][0]} have a gap")
        return column_leaves(rows, str)

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, of its width."""
        return _tile(self._connection, tile)

    def keep(self, full: Sequence[tuple[Tile, bytes]], edge: Edge, ledger_id: UUID) -> None:
        """Keeps the tiles that became full, and the edge behind them. Raises Diverged when there is such a tile."""
        with self._connection.cursor() as cursor:
            try:
                cursor.executemany(query("tile_add", _SQL), [(each.level, each.index, hashes) for each, hashes in full])
            except UniqueViolation as error:
                raise Diverged("the tree's edge was moved back: it has tiles behind it") from error
        by_level = {each.level: hashes for each, hashes in edge.partial()}
        partial = [by_level.get(level, b"") for level in range(max(by_level, default=-1) + 1)]
        moved = {"ledger_id": ledger_id, "size": edge.size, "partial": partial}
        self._connection.execute(query("edge_move", _SQL), moved)

    def sign(self, checkpoint: Checkpoint, note: str, taken_at: datetime) -> None:
        """Keeps a checkpoint."""
        kept = {"size": checkpoint.size, "root": checkpoint.root, "note": note, "taken_at": taken_at}
        self._connection.execute(query("checkpoint_add", _SQL), kept)


def _tile(connection: Connection[TupleRow], tile: Tile) -> bytes:
    """The hashes of a tile, cut to its width: a full one has those of the partial ones before it. Raises NotCovered."""
    row = connection.execute(query("tile", _SQL), (tile.level, tile.index), binary=True).fetchone()
    _, size, partial = _edge(connection) if row is None else (None, 0, [])
    found: bytes = row[0] if row else _partial(tile, size, partial)
    if len(found) < tile.width * HASH_BYTES:
        raise NotCovered(f"the tree has no tile {tile.path} yet")
    return found[: tile.width * HASH_BYTES]


def _ledger_id(connection: Connection[TupleRow]) -> UUID:
    row = connection.execute(query("ledger_id", _SQL)).fetchone()
    if row is None:
        raise Corrupt("the ledger has lost its id: ledger.epochs is empty")
    found: UUID = row[0]
    return found


def _edge(connection: Connection[TupleRow]) -> tuple[UUID | None, int, list[bytes]]:
    """Of which ledger the tree is, its size, and its partial tiles by level."""
    row = connection.execute(query("edge", _SQL), binary=True).fetchone()
    return (row[0], row[1], row[2]) if row else (None, 0, [])


def _partial(tile: Tile, size: int, partial: Sequence[bytes]) -> bytes:
    """The partial tile of a level, empty for any other."""
    at_edge = tile.level < len(partial) and tile.index == (size >> HEIGHT * tile.level) // WIDTH
    return partial[tile.level] if at_edge else b""

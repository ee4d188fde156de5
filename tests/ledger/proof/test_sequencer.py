"""The tree that is kept beside the ledger: what it has, when it is signed, and what it refuses to sign."""

import threading
from typing import cast

import psycopg
import pytest

from ledger.application import Ledger
from ledger.mapper import RecordedRow
from ledger.memory import MemoryRecorder
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, origin_of
from ledger.proof.errors import Diverged, NotCovered
from ledger.proof.leaves import leaf_of
from ledger.proof.memory import MemoryTree
from ledger.proof.merkle import Leaves, root
from ledger.proof.notes import Note
from ledger.proof.postgres import FETCH_ROWS, PostgresTree
from ledger.proof.tiles import Tile, TileNodes, tiles_of

from .conftest import LEDGER_ID
from .trees import INTERVAL_S, Proven, signer_of


def leaves_of(ledger: Ledger) -> list[bytes]:
    """The leaf hashes of what the ledger holds, read the plain way."""
    rows = cast("list[RecordedRow]", ledger._recorder.read(0))
    return [leaf_of(row) for row in rows]


def test_the_tree_has_every_fact_however_it_came_to_them(any_proven: Proven) -> None:
    store = any_proven.store
    for facts in (3, 250, 3, 0, 300, 1):
        any_proven.grow(facts)
        any_proven.sequence()
        size = any_proven.ledger.head()
        assert (store.size(), store.head()) == (size, size)
    nodes = Leaves(leaves_of(any_proven.ledger))
    assert root(TileNodes(store.tile, size), size) == root(nodes, size)
    for tile in tiles_of(size):
        assert len(store.tile(tile)) == tile.width * 32
    assert store.tile(Tile(0, 0, 3)) == store.tile(Tile(0, 0))[:96], "a partial tile stays to be had"
    for missing in (Tile(0, 3), Tile(0, 2, 255), Tile(1, 0, 3), Tile(5, 0)):
        with pytest.raises(NotCovered):
            store.tile(missing)


def test_a_checkpoint_is_taken_at_every_interval_while_facts_are_recorded(any_proven: Proven) -> None:
    store, sequencer = any_proven.store, any_proven.sequencer
    assert sequencer.sign_when_due() is None, "there is nothing to sign"
    any_proven.grow(5)
    any_proven.sequence()
    first = sequencer.sign_when_due()
    assert first is not None
    assert first.size == 5
    any_proven.grow(5)
    any_proven.sequence()
    any_proven.pass_time(INTERVAL_S - 1)
    assert sequencer.sign_when_due() is None, "the interval is not over"
    any_proven.pass_time(1)
    second = sequencer.sign_when_due()
    assert second is not None
    any_proven.pass_time(INTERVAL_S)
    assert sequencer.sign_when_due() is None, "nothing was recorded since"
    assert [each.size for each in store.checkpoints()] == [5, 10]
    assert store.newest() == store.checkpoints(after=5)[0] == second
    assert (store.newest(covering=10), store.newest(covering=11)) == (second, None)
    origin, verifier = origin_of(store.ledger_id()), signer_of(store.ledger_id()).verifier
    opened = open_checkpoint(second.note, origin=origin, verifiers=[verifier])
    assert (opened.size, opened.root) == (second.size, second.root)


def test_a_clock_that_was_a_day_ahead_does_not_leave_a_day_without_checkpoints(any_proven: Proven) -> None:
    any_proven.pass_time(86_400)
    any_proven.grow(1)
    any_proven.sequence()
    assert any_proven.sequencer.sign_when_due() is not None
    any_proven.pass_time(-86_400)
    any_proven.grow(1)
    any_proven.sequence()
    assert any_proven.sequencer.sign_when_due() is not None


def test_a_checkpoint_on_demand_covers_everything(any_proven: Proven) -> None:
    with pytest.raises(NotCovered, match="empty"):
        any_proven.sequencer.take()
    any_proven.grow(300)
    taken = any_proven.sequencer.take()
    assert taken.size == 300
    assert any_proven.sequencer.take() == taken
    any_proven.may_sign = False
    any_proven.grow(1)
    with pytest.raises(NotCovered, match="key in force"):
        any_proven.sequencer.take()
    standing = any_proven.sequencer.standing()
    assert (standing.head, standing.sequenced, standing.covered, standing.lag) == (301, 301, 300, 0)
    assert standing.checkpoint_age_s == 0


def test_whoever_has_no_key_keeps_the_tree_and_signs_nothing(any_proven: Proven) -> None:
    any_proven.may_sign = False
    any_proven.grow(5)
    any_proven.sequence()
    assert any_proven.sequencer.sign_when_due() is None
    assert (any_proven.store.size(), any_proven.store.newest()) == (5, None)


def test_one_has_the_turn_at_a_time(any_proven: Proven) -> None:
    any_proven.grow(5)
    with any_proven.store.turn() as turn:
        assert turn is not None
        assert any_proven.sequencer.step() == 0
    assert any_proven.sequencer.step() == 5


def test_a_crash_before_the_tiles_are_kept_costs_nothing(proven: Proven) -> None:
    proven.grow(300)

    def crash() -> None:
        with proven.store.turn() as turn:
            assert turn is not None
            turn.keep(turn.edge.extend(turn.leaves(0, 300)), turn.edge, proven.store.ledger_id())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert proven.store.size() == 0
    assert proven.sequencer.take().size == 300


def test_who_leaves_a_reading_in_the_middle_gives_the_connection_back(proven: Proven) -> None:
    proven.grow(3 * FETCH_ROWS)
    rows = cast("PostgresTree", proven.store).rows()
    assert len(next(rows)) == FETCH_ROWS
    del rows  # this once waited for itself, for ever
    assert proven.store.head() == 3 * FETCH_ROWS


def test_it_follows_until_it_is_told_to_stop(any_proven: Proven) -> None:
    any_proven.grow(5)
    stop = threading.Event()
    running = threading.Thread(target=any_proven.sequencer.run, args=(stop,))
    running.start()
    waited = threading.Event()
    for _ in range(500):
        if any_proven.store.newest() is not None:
            break
        waited.wait(0.01)
    stop.set()
    running.join()
    assert any_proven.sequencer.standing().covered == 5


def change(proven: Proven, statement: str) -> None:
    """What nobody but the owner of the tables can do."""
    with proven.store._recorder.reading() as connection, connection.transaction():  # type: ignore[attr-defined]
        for table in ("events", "tiles", "checkpoints"):
            connection.execute(f"alter table ledger.{table} disable trigger user")
        connection.execute(statement)
        for table in ("events", "tiles", "checkpoints"):
            connection.execute(f"alter table ledger.{table} enable trigger user")


@pytest.mark.parametrize(
    ("statement", "cause"),
    [
        ("delete from ledger.events where position > 290", "the ledger fewer"),
        ("update ledger.events set actor = 'key_2' where position = 300", "position 300 is not the one"),
        ("insert into ledger.epochs values (2, gen_random_uuid())", "the tree is of ledger"),
        ("update ledger.tree_edge set partial[2] = sha256('')", "does not begin with the checkpoint of 300"),
        ("delete from ledger.tree_edge", "it has tiles behind it"),
    ],
)  # fmt: skip
def test_what_does_not_go_on_from_what_was_signed_is_not_signed(proven: Proven, statement: str, cause: str) -> None:
    proven.grow(300)
    proven.sequencer.take()
    proven.grow(5 if "290" not in statement else 0)
    change(proven, statement)
    proven.pass_time(INTERVAL_S)

    def go_on() -> None:
        proven.sequencer.step()
        proven.sequencer.sign_when_due()

    with pytest.raises(Diverged, match=cause):
        go_on()
    assert len(proven.store.checkpoints()) == 1


@pytest.mark.parametrize("table", ["tiles", "checkpoints"])
@pytest.mark.parametrize("statement", ["update ledger.{} set size = 1", "delete from ledger.{}", "truncate ledger.{}"])
def test_the_database_refuses_to_change_what_proves(proven: Proven, table: str, statement: str) -> None:
    proven.grow(256)
    proven.sequencer.take()
    change_it = statement.format(table).replace("size = 1", "level = 1" if table == "tiles" else "size = 1")
    with (
        proven.store._recorder.reading() as connection,  # type: ignore[attr-defined]
        pytest.raises(psycopg.errors.RestrictViolation, match="only grows"),
    ):
        connection.execute(change_it)


class Remembered:
    """What a key signed last, in memory."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def newest(self, key_id: str) -> Checkpoint | None:
        note = self.notes.get(key_id)
        return None if note is None else Checkpoint.parse(Note.parse(note))

    def keep(self, key_id: str, note: str) -> None:
        self.notes[key_id] = note


@pytest.mark.parametrize("grown", [3, 8], ids=["fewer facts", "others in their place"])
def test_a_ledger_that_lost_its_end_with_its_checkpoints_is_not_signed(grown: int) -> None:
    remembered = Remembered()

    def with_facts(facts: int) -> Proven:
        recorder = MemoryRecorder()
        made = Proven(Ledger(recorder), MemoryTree(recorder, LEDGER_ID), signed=remembered)
        made.grow(facts)
        return made

    assert with_facts(5).sequencer.take().size == 5
    promoted = with_facts(grown)  # a copy of the same ledger that had got nothing of it yet
    with pytest.raises(Diverged, match="signed a checkpoint of 5 facts that is not of this history"):
        promoted.sequencer.take()
    assert promoted.store.newest() is None


def test_what_was_signed_and_is_not_in_the_database_is_gone_on_from() -> None:
    # It died between the two.
    remembered, recorder = Remembered(), MemoryRecorder()
    ledger = Ledger(recorder)
    first = Proven(ledger, MemoryTree(recorder, LEDGER_ID), signed=remembered)
    first.grow(5)
    first.sequencer.take()
    again = Proven(ledger, MemoryTree(recorder, LEDGER_ID), signed=remembered)
    again.grow(2)
    assert again.sequencer.take().size == 7

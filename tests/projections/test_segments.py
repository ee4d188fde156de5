"""Closed segments on a real database: everything is as it was, and a file that is not is named."""  # noqa: INP001

import json
import os
import random
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import RestrictViolation
from render_histories import Author, Tables

from bickford_sora.cli.proof_problems import FOUND
from bickford_sora.composition.books import PROJECTIONS, Books, open_books
from bickford_sora.settings import Settings
from ledger.errors import SegmentUnreadable
from ledger.exchange.selection import Selection, select_last, select_rows
from ledger.proof.errors import Mismatch
from ledger.render import Phase
from ledger.segments.closing import Closed, SegmentRefused, close_segment
from ledger.segments.files import index_path
from ledger.segments.table import read_segments
from projections.audit import AUDIT, Audit, Filters
from projections.inserting import Stretch, insert
from projections.rebuild import Rebuild
from tests.benchmarks.database import temporary_database
from tests.cli.commands import Process, environment, run, start

DEEDS = 150
"""In the ledger before the segment is closed."""
LATER_DEEDS = 15
KILLS = 3
CLOSING_S = 0.4
"""About how long it takes to close a segment of so few facts, once its file is begun."""
SERVER_LEARNS_S = 60.0
UNREADABLE = FOUND["payload_unreadable"]


@dataclass
class Shelf:
    """A ledger with a folder of segments, in this process and for commands."""

    books: Books
    author: Author
    folder: Path
    url: str

    def close(self, until: int, *, role: str = "none") -> Closed:
        checkpoint = self.books.proving.sequencer.take()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"set role {role}".encode())
            return close_segment(
                connection,
                self.folder / "data" / "segments",
                until=until,
                tree=self.books.proving.tree,
                checkpoint=checkpoint,
                verifiers=self.books.proving.signing.keys().every_verifier,
                on_progress=lambda _done, _total: None,
            )

    def close_in_another_process(self, until: int) -> Process:
        """Closing that has just begun to write its file."""
        given = environment(self.folder / "data", {"BICKFORD_DATABASE_URL": self.url})
        with Path(os.devnull).open("w") as nowhere:
            closing = start(("segments", "close", "--until", str(until)), given, nowhere)
        begun = self.folder / "data" / "segments"
        while not [*begun.glob(f"*-{until}.*")] and closing.poll() is None:
            time.sleep(0.001)
        return closing

    def finish(self, until: int) -> None:
        """Closes what a killed process did not. The server may take a moment to learn that it is gone."""
        deadline = time.monotonic() + SERVER_LEARNS_S
        while until not in self.ends():
            try:
                self.close(until)
            except SegmentRefused as refused:
                assert "another process" in str(refused), refused  # noqa: PT017 - any other is what is looked for
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def ends(self) -> list[int]:
        """The last positions of closed segments."""
        with self.books.pool.connection() as connection:
            return [each.last for each in read_segments(connection)]

    def run(self, *arguments: str, status: int = 0, url: str | None = None) -> str:
        said = run(self.folder / "data", *arguments, status=status, BICKFORD_DATABASE_URL=url or self.url)
        return said.stdout + said.stderr

    def json(self, *arguments: str, status: int = 0, url: str | None = None) -> Any:
        said = run(self.folder / "data", *arguments, "--json", status=status, BICKFORD_DATABASE_URL=url or self.url)
        return json.loads(said.stdout)

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        self.books.projector.catch_up()
        return Tables(self.books.pool, PROJECTIONS).everything()

    def stored(self) -> list[tuple[int, str, str, bytes]]:
        with self.books.pool.connection() as connection:
            return connection.execute(
                "select position, stream, type, payload from ledger.events order by position"
            ).fetchall()

    def moved(self) -> set[int]:
        return {position for position, _, _, payload in self.stored() if payload.startswith(b"\0")}

    def everything_said(self, name: str) -> dict[str, Any]:
        """What is answered from facts, in many ways."""
        ended = next(each for each in self.author.renders.values() if each.ended).intent.video_id
        export, pack = self.folder / f"{name}.jsonl", self.folder / f"{name}.zip"
        last = str(self.books.ledger.head())
        self.run("export", "--out", str(export), "--to", last)
        self.run("audit", "pack", "--render", ended, "--out", str(pack))
        with zipfile.ZipFile(pack) as archive:
            facts = archive.read("facts.jsonl")
        event = self.books.ledger.history(self.author.renders[next(iter(self.author.renders))].stream)[-1]
        return {
            "events": self.books.ledger.read(0),
            "renders": [self.books.ledger.render(each) for each in self.author.renders],
            "audit": self.run("audit", "--limit", "1000", "--json"),
            "fact": self.run("audit", "show", str(event.event_id), "--json"),
            "export": export.read_bytes(),
            "pack": facts,
            "tables": self.tables(),
        }


@pytest.fixture
def shelf(database_url: str, tmp_path: Path) -> Iterator[Shelf]:
    """A ledger of some hundred facts, whose checkpoints are signed."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, full_text_search=False)
    with open_books(settings) as books:
        author = Author(books.ledger, tenant="main")
        chance = random.Random(11)  # noqa: S311 - no secret
        author.stored_render()
        for _ in range(DEEDS):
            author.anything(chance)
        author.queued_render()
        author.flush()
        books.proving.sequencer.take()  # publishes the key
        yield Shelf(books, author, tmp_path, database_url)


@pytest.fixture
def closed(shelf: Shelf) -> Shelf:
    shelf.close(shelf.books.ledger.head())
    return shelf


def test_everything_is_as_it_was_before_segments_were_closed(shelf: Shelf) -> None:
    before = shelf.everything_said("before")
    head = shelf.books.ledger.head()
    middle = head // 2
    for until in (middle, head):
        assert shelf.json("segments", "close", "--until", str(until))["last"] == until
    going_on = {each.stream for each in shelf.author.renders.values() if not each.ended}
    moved = {(stream, kind) for position, stream, kind, _ in shelf.stored() if position in shelf.moved()}
    assert {kind for _, kind in moved} > {"render.stored", "render.allowed", "webhook.received"}
    assert going_on
    assert not {stream for stream, _ in moved} & going_on
    assert not {kind for _, kind in moved} & {"render.intent", "job.claimed", "spend.reserved", "key.issued"}

    assert shelf.everything_said("after") == before

    rebuild = Rebuild(shelf.books.ledger, shelf.books.pool, PROJECTIONS)
    assert not rebuild.check()
    rebuild.rebuild()
    assert shelf.tables() == before["tables"]
    assert shelf.json("verify")["held"]
    assert [each["problem"] for each in shelf.json("segments", "check")["segments"]] == [None, None]


def test_renders_go_on_over_a_closed_segment(closed: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.sharing.SHARED_EVENTS_MIN", 1)  # another process reads the segment, too
    monkeypatch.setattr("projections.shares.SAMPLE_PERCENT", 100)
    chance = random.Random(12)  # noqa: S311 - no secret
    stored = next(each for each in closed.author.renders.values() if each.phase is Phase.STORED)
    closed.author._remix(stored.stream)  # a late fact on a stream whose payloads were moved
    for _ in range(LATER_DEEDS):
        closed.author.anything(chance)
    closed.author.flush()
    live = closed.tables()
    Rebuild(closed.books.ledger, closed.books.pool, PROJECTIONS).rebuild()
    assert closed.tables() == live
    assert closed.json("projections", "parked", "list")["parked"] == []
    assert closed.json("verify")["held"]


def test_the_file_of_a_segment_is_checked_as_an_export_and_not_taken_for_a_cut_one(shelf: Shelf) -> None:
    until = shelf.books.ledger.head() // 2
    shelf.close(until)
    (file,) = (shelf.folder / "data" / "segments").glob("*.jsonl")
    found = shelf.json("verify", str(file))
    assert (found["held"], found["facts"], found["covered"]) == (True, until, 0)
    assert "closed segment" in shelf.run("verify", str(file))
    cut = file.with_name("cut.jsonl")  # the same content under a name that promises all there is
    for end in ("", ".manifest.json", ".checkpoint"):
        cut.with_name(cut.name + end).write_bytes(file.with_name(file.name + end).read_bytes())
    key = shelf.run("checkpoint", "keys").split("\t")[0]  # the fact that publishes it is behind the segment
    (finding,) = shelf.json("verify", str(cut), "--public-key", key, status=FOUND["facts_missing"])["findings"]
    assert finding["first"] == until + 1
    given = ("--against", str(file.with_name(file.name + ".checkpoint")), "--public-key", key)
    (finding,) = shelf.json("verify", str(file), *given, status=FOUND["facts_missing"])["findings"]
    assert finding["first"] == until + 1, "whoever names a checkpoint wants all of it, whatever the file is called"
    file.write_bytes(file.read_bytes().replace(b'"tenant":"main"', b'"tenant":"mail"', 1))
    (finding,) = shelf.json("verify", str(file), status=FOUND["facts_changed"])["findings"]
    assert finding["first"] == 1


def test_an_export_over_closed_segments_makes_the_same_ledger_elsewhere(closed: Shelf, server_url: str) -> None:
    path, again = closed.folder / "all.jsonl", closed.folder / "again.jsonl"
    root = closed.json("export", "--out", str(path))["root"]
    with temporary_database(server_url) as elsewhere:
        assert closed.json("import", str(path), url=elsewhere)["root"] == root
        closed.run("export", "--out", str(again), url=elsewhere)
    assert again.read_bytes() == path.read_bytes()


def test_a_changed_payload_is_found_at_its_position(closed: Shelf) -> None:
    position, stream = next((each[0], each[1]) for each in closed.stored() if each[3].startswith(b"\0"))
    path = next((closed.folder / "data" / "segments").glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[position - 1] = _same_length(lines[position - 1])
    index_path(path).unlink()  # nothing rests on it
    path.write_bytes(b"".join(lines))
    found = closed.json("verify", status=UNREADABLE)["findings"]
    assert [(each["kind"], each["first"], each["last"]) for each in found] == [
        ("payload_unreadable", position, position)
    ]
    with pytest.raises(SegmentUnreadable, match=f"payload at position {position} is not the one"):
        closed.books.ledger.history(stream)
    assert f"position {position}" in closed.json("segments", "check", status=UNREADABLE)["segments"][0]["problem"]


def _same_length(line: bytes) -> bytes:
    """The line with one character of its payload changed."""
    head, found, payload = line.partition(b',"data":')
    at = payload.index(b'":') - 1
    return head + found + payload[:at] + (b"x" if payload[at : at + 1] != b"x" else b"y") + payload[at + 1 :]


def test_a_missing_file_is_named_and_takes_nobody_for_bad(closed: Shelf) -> None:
    live = closed.tables()
    moved = closed.moved()
    path = next((closed.folder / "data" / "segments").glob("*.jsonl"))
    path.rename(path.with_suffix(".elsewhere"))
    head = closed.books.ledger.head()
    found = closed.json("verify", status=UNREADABLE)["findings"]
    assert {at for each in found for at in range(each["first"], each["last"] + 1)} == moved
    assert all(f"positions 1 to {head}" in each["message"] and path.name in each["message"] for each in found)
    assert path.name in closed.run("replay", status=1)
    assert closed.tables() == live
    ended = next(each for each in closed.author.renders.values() if each.ended).intent.video_id
    assert "segment_unreadable" in closed.run("history", ended, status=1)
    assert "segment_unreadable" in closed.run("export", "--out", str(closed.folder / "none.jsonl"), status=1)
    path.with_suffix(".elsewhere").rename(path)
    assert closed.books.ledger.history(next(each for each in closed.author.renders.values() if each.ended).stream)
    assert closed.json("verify")["held"]


def test_nothing_more_is_closed_while_a_segment_is_not_there_as_it_was(shelf: Shelf) -> None:
    head = shelf.books.ledger.head()
    shelf.close(head // 2)
    (path,) = (shelf.folder / "data" / "segments").glob("*.jsonl")
    whole, moved = path.read_bytes(), shelf.moved()
    path.unlink()
    said = shelf.run("segments", "close", "--until", str(head), status=1)
    assert "segment_refused" in said
    assert f"positions 1 to {head // 2}" in said
    assert path.name in said
    path.write_bytes(whole[:-1])
    with pytest.raises(SegmentRefused, match=f"{path.name}, which was cut"):
        shelf.close(head)
    assert (shelf.moved(), shelf.ends()) == (moved, [head // 2])
    assert [*path.parent.glob("*.jsonl")] == [path], "no file of it was begun"
    path.write_bytes(whole)
    shelf.close(head)
    assert shelf.ends() == [head // 2, head]


def test_an_export_and_the_audit_say_the_same_of_whose_a_fact_is(shelf: Shelf) -> None:
    author = Author(shelf.books.ledger, tenant="acme", job_prefix="job")
    operator = shelf.author
    early, late = author.intent(), author.intent()
    for stream, job_id in ((early, "job-early"), (late, "job-late")):
        author.allow(stream)
        author.start_submission(stream)
        author.flush()
        if stream == early:
            operator.webhook(job_id)  # before anybody can say whose it is
            operator.flush()
        author.queue(stream, job_id)
        author.flush()
        operator.webhook(job_id)
        operator.flush()
    operator.webhook("job-nobodys")
    operator.flush()

    def exported(tenant: str) -> list[int]:
        selection = Selection(tenant=tenant)
        with shelf.books.pool.connection() as connection:
            last = select_last(connection, selection)
            rows = select_rows(connection, selection, last=last, payloads=shelf.books.ledger.payloads)
            return [row.id for row in rows]

    shelf.books.projector.catch_up()
    audit = Audit(shelf.books.pool)
    told = {tenant: [each.position for each in audit.events(tenant)] for tenant in ("main", "acme", "other")}
    head = shelf.books.ledger.head()
    assert sorted([*told["main"], *told["acme"]]) == [*range(1, head + 1)]
    assert [each.job_id for each in audit.events("acme", Filters(type="webhook.received"))] == ["job-early", "job-late"]
    assert "job-nobodys" in {each.job_id for each in audit.events("main", Filters(type="webhook.received"))}
    assert {tenant: exported(tenant) for tenant in told} == told
    shelf.close(head)
    assert shelf.moved()
    assert {tenant: exported(tenant) for tenant in told} == told


CLOSE = (
    "insert into ledger.segments (first, last, file, sha256, bytes, checkpoint_size) "
    "values (1, 20, 'x', sha256('x'), 1, 20)"
)
MOVE = "update ledger.events set payload = ledger.moved_payload(payload) where position = {}"
OTHERS = {
    "outside the segment": MOVE.format(21),
    "another payload": "update ledger.events set payload = 'x' where position = 1",
    "the hash of another": "update ledger.events set payload = ledger.moved_payload('x') where position = 1",
    "only the hash": "update ledger.events set payload = sha256(payload) where position = 1",
    "another column, too": MOVE.format(1).replace(" where", ", actor = 'x' where"),
    "another column": "update ledger.events set actor = 'x' where position = 1",
    "nothing changed": "update ledger.events set actor = actor where position = 1",
    "deleted": "delete from ledger.events where position = 1",
    "emptied": "truncate ledger.events",
    "moved twice": f"{MOVE.format(2)}; {MOVE.format(2)}",
    "the segment changed": "update ledger.segments set last = 25",
    "the segment deleted": "delete from ledger.segments",
}


def test_the_tables_refuse_every_other_change_also_to_their_owner(shelf: Shelf) -> None:
    with psycopg.connect(shelf.url) as owner:
        for statement in OTHERS.values():
            owner.execute(CLOSE)
            with pytest.raises(RestrictViolation):
                owner.execute(statement.encode())
            owner.rollback()
        owner.execute(CLOSE)
        assert owner.execute(MOVE.format(1).encode()).rowcount == 1
        owner.rollback()


def test_what_was_not_moved_with_its_segment_is_not_moved_later(shelf: Shelf) -> None:
    with psycopg.connect(shelf.url) as owner:
        owner.execute(CLOSE)
        owner.commit()
        with pytest.raises(RestrictViolation):
            owner.execute(MOVE.format(1).encode())


def test_a_run_that_was_cut_off_left_everything_and_the_next_one_goes_on(shelf: Shelf) -> None:
    head = shelf.books.ledger.head()
    before = shelf.stored()
    folder = shelf.folder / "data" / "segments"
    folder.mkdir()
    shelf.close(head // 2)
    first = next(folder.glob("*.jsonl"))
    left = folder / first.name.replace(f"-1-{head // 2}.", f"-{head // 2 + 1}-{head}.")
    for ending in ("", ".part", ".manifest.json", ".checkpoint", ".index"):
        left.with_name(left.name + ending).write_text("cut of", "utf-8")
    assert shelf.close(head).moved
    with pytest.raises(SegmentRefused, match=f"nothing to close up to position {head}: segments end at {head}"):
        shelf.close(head)
    with pytest.raises(SegmentRefused, match=r"position 99999 is behind the ledger's last one that is signed, \d+"):
        shelf.close(99_999)
    assert [each[:3] for each in shelf.stored()] == [each[:3] for each in before]
    assert shelf.json("verify")["held"]


def test_whoever_is_killed_while_closing_loses_nothing_and_the_next_one_finishes(shelf: Shelf) -> None:
    chance = random.Random()  # noqa: S311 - no secret; any moment has to do
    head, facts = shelf.books.ledger.head(), shelf.books.ledger.read(0)
    for number in range(1, KILLS + 1):
        until = head * number // KILLS
        closing = shelf.close_in_another_process(until)
        time.sleep(chance.uniform(0, CLOSING_S))
        closing.kill()
        closing.wait()
        closing.stdout.close()
        assert shelf.books.ledger.read(0) == facts
        shelf.finish(until)
        assert shelf.books.ledger.read(0) == facts
    segments = shelf.json("segments", "check")["segments"]
    assert [(each["last"], each["problem"]) for each in segments] == [
        (head * number // KILLS, None) for number in range(1, KILLS + 1)
    ]
    assert shelf.moved()
    assert shelf.json("verify")["held"]


def test_a_segment_that_is_closed_while_its_stretch_is_read_changes_no_row(shelf: Shelf) -> None:
    live, head = shelf.tables(), shelf.books.ledger.head()
    shelf.close(head // 2)
    moved = shelf.moved()

    def closing(position: int, stored: bytes) -> bytes:
        if shelf.moved() == moved:
            shelf.close(head)
        return shelf.books.ledger.payloads(position, stored)

    with shelf.books.pool.connection() as connection:
        connection.execute("truncate projection_audit.events, projection_audit.marks")
        insert(connection, AUDIT, AUDIT.schema, Stretch(after=0, until=head), closing)
    assert shelf.moved() > moved
    assert shelf.tables() == live


def test_only_the_owner_of_the_tables_closes(shelf: Shelf) -> None:
    with pytest.raises(SegmentRefused, match="as the owner"):
        shelf.close(shelf.books.ledger.head(), role="pg_read_all_data")
    assert not shelf.moved()


def test_a_ledger_that_is_not_what_was_signed_is_not_closed(shelf: Shelf) -> None:
    with psycopg.connect(shelf.url, autocommit=True) as owner:
        owner.execute("alter table ledger.events disable trigger user")
        owner.execute("update ledger.events set actor = 'key_2' where position = 3")
        owner.execute("alter table ledger.events enable always trigger events_refuse_change")
    with pytest.raises(Mismatch):
        shelf.close(shelf.books.ledger.head())
    assert not shelf.moved()
    assert shelf.json("segments", "list") == {"segments": []}


def test_a_payload_that_no_segment_has_is_not_taken_for_none(shelf: Shelf) -> None:
    with psycopg.connect(shelf.url, autocommit=True) as owner:
        owner.execute("alter table ledger.events disable trigger user")
        owner.execute(MOVE.format(5).encode())
    found = shelf.json("verify", status=UNREADABLE)["findings"]
    assert [(each["first"], each["last"], each["message"]) for each in found] == [
        (5, 5, "the payload at position 5 was taken away, and no segment has it")
    ]

"""Checkpoints, receipts and verification on a real database, as a shell would; each wrong has a status of its own."""

import json
import re
import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bickford_sora.cli.proof_problems import FAILED, FOUND
from bickford_sora.composition.books import open_books
from bickford_sora.pushed_folder import PushedFolder
from bickford_sora.pushing import LogTarget, Pushing
from bickford_sora.settings import Settings
from ledger import streams
from ledger.envelope import Context, Decision
from ledger.events import Asset, RenderStored
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.errors import Malformed, Mismatch, NotCovered, OtherLedger, Unsigned, WrongSize
from ledger.proof.notes import Note, Signer
from tests.benchmarks.database import temporary_database
from tests.buckets import bucket_under_lock
from tests.ledger.ledger_facts import NOON, intent, new_id, small

from .commands import run

FACTS = 300
"""Under the first checkpoint; behind them is the fact that publishes the key."""


@dataclass(frozen=True)
class Shell:
    """Commands on one database."""

    folder: Path
    url: str
    video_id: str

    def run(self, *arguments: str, status: int = 0) -> str:
        said = run(self.folder / "data", *arguments, status=status, BICKFORD_DATABASE_URL=self.url)
        return said.stdout + said.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        said = run(self.folder / "data", *arguments, "--json", status=status, BICKFORD_DATABASE_URL=self.url)
        return json.loads(said.stdout)

    def file(self, name: str, content: str | None = None) -> str:
        path = self.folder / name
        if content is not None:
            path.write_text(content, "utf-8")
        return str(path)

    def change(self, *statements: str) -> None:
        """As the owner of the tables."""
        with psycopg.connect(self.url, autocommit=True) as owner:
            for table in ("events", "tiles", "checkpoints"):
                owner.execute(f"alter table ledger.{table} disable trigger user")
            for statement in statements:
                owner.execute(statement)

    def found(self, *arguments: str, kind: str) -> list[tuple[int, int, bool]]:
        """Where a verification finds this, which has to be the gravest of what it finds."""
        verified = self.json("verify", *arguments, status=FOUND[kind])  # type: ignore[index]
        findings = [each for each in verified["findings"] if each["kind"] == kind]
        return [(each["first"], each["last"], each["exact"]) for each in findings]


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    """A ledger of 300 facts and a key, with a checkpoint in `checkpoint` and everything pushed to `pushed`."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url)  # type: ignore[arg-type]
    with open_books(settings) as books:
        video_id = streams.video_id(new_id())
        stream = streams.render("main", video_id)
        facts = [(stream, intent().model_copy(update={"video_id": video_id})), (stream, _stored(tmp_path))]
        others = [(streams.render("main", streams.video_id(new_id())), small(number)) for number in range(FACTS - 2)]
        for part in (facts, others):
            books.ledger.append(Decision.of(part, heads={}, context=Context("main", "key_1", NOON), new_id=new_id))
        taken = books.proving.sequencer.take()
        Pushing(books.proving.tree, LogTarget("folder", PushedFolder(tmp_path / "pushed"))).step()
    (tmp_path / "checkpoint").write_text(taken.note, "utf-8")
    return Shell(tmp_path, database_url, video_id)


def _stored(folder: Path) -> RenderStored:
    missing = f"asset://ours/aa/{'a' * 64}"
    asset = Asset(
        variant="video", storage_uri=missing, sha256="a" * 64, bytes=1, media_type="video/mp4", width=1, height=1,
        made_by="renderer", has_c2pa=False,
    )  # fmt: skip
    return RenderStored(assets=(asset,))


def test_a_ledger_that_nobody_touched_holds(shell: Shell) -> None:
    held = shell.json("verify", "--against", shell.file("checkpoint"), "--tiles", shell.file("pushed"))
    assert (held["held"], held["facts"], held["covered"], held["checkpoints"]) == (True, FACTS + 1, FACTS, 3)
    shell.run("checkpoint", "rotate-key")
    said = shell.run("verify", "--against", shell.file("checkpoint"))
    assert f"positions {FACTS + 1} to {FACTS + 3} are not covered by a checkpoint yet" in said
    assert "everything is as it was recorded" in said
    assert re.search(r"verify facts \d+ of \d+ read", said), "progress"


def test_checkpoints_are_taken_shown_and_listed(shell: Shell) -> None:
    shell.run("checkpoint", "rotate-key", "--reason", "lost")
    taken = shell.json("checkpoint", "take", "--out", shell.file("second"))
    assert taken["size"] == FACTS + 3
    assert shell.run("checkpoint", "show") == taken["note"] == Path(shell.file("second")).read_text("utf-8")
    assert [line.split("\t")[0] for line in shell.run("checkpoint", "list").splitlines()] == ["300", "303"]
    old, new = shell.run("checkpoint", "keys").splitlines()
    assert old.endswith("\tlost")
    key = new.split("\t")[0]
    shell.run("verify", "--against", shell.file("second"), "--public-key", key)
    shell.run("verify", "--against", shell.file("checkpoint"), "--public-key", key, status=FAILED[Unsigned])
    both = shell.file("keys", shell.run("checkpoint", "keys"))
    shell.run("verify", "--against", shell.file("checkpoint"), "--against", shell.file("second"), "--public-key", both)
    stolen = shell.file("stolen", f"{key}\t2026-11-20\t2026-11-21\tstolen\n")
    shell.run("verify", "--against", shell.file("second"), "--public-key", stolen, status=FAILED[Malformed])
    shell.run("verify", "--public-key", "x" * 5_000, status=FAILED[Malformed])
    for text in ("", "no key\n", f"{key}\nno key\n"):
        shell.run("verify", "--public-key", shell.file("bad-keys", text), status=FAILED[Malformed])


def test_a_receipt_is_taken_and_checked_without_the_ledger(shell: Shell, tmp_path: Path) -> None:
    receipt = shell.file("of.tlog-proof")
    assert "position 2" in shell.run("proof", "take", shell.video_id, "--out", receipt)
    key = shell.run("checkpoint", "keys").split("\t")[0]
    nowhere = {"BICKFORD_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    assert "in order" in run(tmp_path / "none", "proof", "check", receipt, "--public-key", key, **nowhere).stdout
    assert shell.json("proof", "check", receipt)["fact"]["type"] == "render.stored"
    first = shell.run("proof", "take", shell.video_id, "--version", "1")
    assert "\nindex 0\n" in first
    wrong = shell.file("wrong.tlog-proof", first.replace("index 0", "index 1"))
    assert "error (proof_mismatch): " in shell.run("proof", "check", wrong, status=FAILED[Mismatch])
    damaged = shell.file("damaged.tlog-proof", first[10:])
    assert "error (proof_malformed): " in shell.run("proof", "check", damaged, status=FAILED[Malformed])
    assert "error (proof_not_covered): " in shell.run("proof", "take", "9999", status=FAILED[NotCovered])


def test_where_no_key_is_known_a_receipt_asks_for_the_one_to_trust(shell: Shell, tmp_path: Path) -> None:
    receipt = shell.file("of.tlog-proof")
    shell.run("proof", "take", shell.video_id, "--out", receipt)
    since = shell.file("since.txt")
    shell.run("proof", "consistency", str(FACTS), "--out", since)
    against = ("--against", shell.file("checkpoint"))
    asked = [("proof", "check", receipt), ("proof", "check-consistency", since, *against)]
    with temporary_database(shell.url) as empty:
        for arguments, given in product(asked, ({}, {"BICKFORD_DATABASE_URL": empty})):
            nowhere = tmp_path / "none"
            said = run(nowhere, *arguments, status=FAILED[Unsigned], **given).stderr
            assert "there is no ledger here" in said
            assert "name the one you trust with --public-key" in said
            assert not nowhere.exists(), "to check makes nothing"
        with psycopg.connect(empty) as looking:
            assert looking.execute("select count(*) from pg_namespace where nspname = 'ledger'").fetchone() == (0,)


def test_that_the_ledger_went_on_is_proved_and_checked_without_it(shell: Shell, tmp_path: Path) -> None:
    key = shell.run("checkpoint", "keys").split("\t")[0]
    nowhere = {"BICKFORD_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    shell.run("checkpoint", "take", "--out", shell.file("second"))
    proof = shell.file("since.txt")
    assert f"goes on from {FACTS} facts" in shell.run("proof", "consistency", str(FACTS), "--out", proof)
    check = ("proof", "check-consistency", proof, "--against")
    said = run(tmp_path / "none", *check, shell.file("checkpoint"), "--public-key", key, **nowhere).stdout
    assert f"the checkpoint of {FACTS + 1} facts goes on from that of {FACTS}" in said
    assert shell.json(*check, shell.file("checkpoint"))["new_size"] == FACTS + 1
    other_size = shell.run(*check, shell.file("second"), status=FAILED[WrongSize])
    assert (
        f"error (proof_wrong_size): the proof begins at {FACTS} facts, and the checkpoint is of {FACTS + 1}"
        in other_size
    )
    assert "was changed" not in other_size
    proved = Path(proof).read_text("utf-8")
    hashes = proved.partition("\n\n")[0].split("\n")[1:]
    shell.file("since.txt", proved.replace(hashes[0], hashes[1]))
    assert "error (proof_mismatch): " in shell.run(*check, shell.file("checkpoint"), status=FAILED[Mismatch])
    shell.file("since.txt", proved[4:])
    assert "error (proof_malformed): " in shell.run(*check, shell.file("checkpoint"), status=FAILED[Malformed])
    assert "error (proof_not_covered): " in shell.run("proof", "consistency", "9999", status=FAILED[NotCovered])


def test_what_is_wrong_with_a_checkpoint_is_named(shell: Shell) -> None:
    note = Path(shell.file("checkpoint")).read_text("utf-8")
    parsed = Checkpoint.parse(Note.parse(note))
    other = Checkpoint("bickford-sora/other", 1, parsed.root).signed(Signer("bickford-sora/other", b"1" * 32))
    forged = note.replace(f"\n{parsed.size}\n", f"\n{parsed.size + 1}\n")
    for content, error in ((note[:-20], Malformed), (other, OtherLedger), (forged, Unsigned)):
        said = shell.run("verify", "--against", shell.file("wrong", content), status=FAILED[error])
        assert f"error ({error.code}): " in said


def test_each_tampering_is_found_at_its_place(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    against = ("--against", shell.file("checkpoint"))
    shell.change(
        "update ledger.events set payload = set_byte(payload, 30, get_byte(payload, 30) # 1) where position = 77"
    )
    assert shell.found(*against, kind="facts_changed") == [(77, 77, True)]
    shell.change(
        "update ledger.tiles set hashes = set_byte(hashes, 32 * 76, get_byte(hashes, 32 * 76) # 1) where level = 0"
    )
    assert (1, FACTS, False) in shell.found(*against, kind="facts_changed"), "no leaf hash survives here"
    assert shell.found("--tiles", shell.file("pushed"), kind="facts_changed") == [(77, 77, True)], "but there"
    with bucket_under_lock() as bucket:
        for name, value in bucket.environment().items():
            monkeypatch.setenv(name, value)
        pushed = Path(shell.file("pushed"))
        for each in filter(Path.is_file, pushed.rglob("*")):
            bucket.put(f"copied/{each.relative_to(pushed)}", each.read_bytes())
        assert shell.found("--tiles", bucket.url("copied"), kind="facts_changed") == [(77, 77, True)]


@pytest.mark.parametrize("place", ["nowhere", "https://bucket.example"])
def test_tiles_are_in_a_folder_or_a_bucket(shell: Shell, place: str) -> None:
    said = shell.run("verify", "--tiles", place, status=2 if place == "nowhere" else 1)
    assert "s3://BUCKET/PREFIX" in said


def test_a_place_that_nothing_was_pushed_to_proves_nothing(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export = str(tmp_path / "ledger.jsonl")
    shell.run("export", "--out", export)
    for subject in ((), (export,)):
        said = shell.run("verify", *subject, "--tiles", str(tmp_path / "empty"), status=FAILED[NotCovered])
        assert "no checkpoint was ever pushed to" in said
        shell.run("verify", *subject, "--tiles", shell.file("pushed"))


def test_a_damaged_pushed_checkpoint_is_named(shell: Shell, tmp_path: Path) -> None:
    pushed = tmp_path / "damaged"
    shutil.copytree(shell.file("pushed"), pushed)
    for damaged, name in ((b"torn", "a pushed checkpoint"), (None, f"the pushed checkpoint of {FACTS} facts")):
        last = pushed / "checkpoints" / str(FACTS)
        last.write_bytes(damaged or _of_another_key(Path(shell.file("pushed")) / "checkpoints" / str(FACTS)))
        assert f"): {name}: " in shell.run("verify", "--tiles", str(pushed), status=20 if damaged else 21)


def _of_another_key(checkpoint: Path) -> bytes:
    text, _, signature = checkpoint.read_text("utf-8").rpartition(" ")
    return f"{text} {'A' * (len(signature.strip()) - 1)}=\n".encode()


def test_a_cut_is_found_and_which_checkpoint_was_changed(shell: Shell) -> None:
    shell.change("update ledger.checkpoints set root = sha256('')")
    assert shell.found(kind="checkpoint_changed") == [(FACTS, FACTS, True)]
    key = shell.run("checkpoint", "keys").split("\t")[0]
    shell.change("delete from ledger.events where position > 290")  # with them goes the fact that publishes the key
    against = ("--against", shell.file("checkpoint"), "--public-key", key)
    assert shell.found(*against, kind="facts_missing") == [(291, FACTS, True)]


def test_stored_files_are_held_to_their_hashes(shell: Shell) -> None:
    assert shell.found("--assets", kind="asset_missing") == [(2, 2, True)]

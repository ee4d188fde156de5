"""Exports, imports and evidence as a shell sees them."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bickford_sora.composition.books import TENANT, open_books
from bickford_sora.settings import Settings
from ledger import streams
from ledger.envelope import Context, Decision
from ledger.events import RenderCancelled, RenderIntent
from tests.benchmarks.database import temporary_database
from tests.ledger.ledger_facts import NOON, new_id

from .commands import run, run_process


class Shell:
    """Commands on one database, all with the master key of one folder."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def run(self, *arguments: object, status: int = 0) -> str:
        """The standard output of a command that has to end like this."""
        return run(self.folder, *map(str, arguments), status=status, BICKFORD_DATABASE_URL=self.url).stdout

    def complaint(self, *arguments: object, status: int = 1) -> str:
        """The standard error of a command that has to fail."""
        return run(self.folder, *map(str, arguments), status=status, BICKFORD_DATABASE_URL=self.url).stderr

    def json(self, *arguments: object) -> Any:
        """What a command says with --json."""
        return json.loads(self.run(*arguments, "--json"))


VIDEOS = [streams.video_id(new_id()) for _ in range(2)]


@pytest.fixture(scope="module")
def shell(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Two renders were asked for and cancelled. Commands that only read share them."""
    with temporary_database(server_url) as url:
        made = Shell(url, tmp_path_factory.mktemp("shell"))
        ask_for_renders(made)
        yield made


def ask_for_renders(shell: Shell, tenant: str = TENANT) -> None:
    settings = Settings(data_dir=shell.folder, database_url=shell.url)
    with open_books(settings) as books:
        for video in VIDEOS:
            intent = RenderIntent(
                video_id=video,
                project="films",
                requester="key_1",
                model="sora-2",
                seconds="4",
                size="1280x720",
                prompt=books.keys.seal("a heron", requester="key_1", subject=video, field="render.intent.prompt"),
            )
            facts = [(streams.render(tenant, video), each) for each in (intent, RenderCancelled(reason="operator"))]
            context = Context(tenant=tenant, actor="key_1", occurred_at=NOON)
            books.ledger.append(Decision.of(facts, heads={}, context=context, new_id=new_id))


def test_a_ledger_moves_to_another_database_and_is_the_same(shell: Shell, server_url: str, tmp_path: Path) -> None:
    video = VIDEOS[0]
    told = shell.json("export", "--out", tmp_path, "--with-keys", tmp_path / "wrapped.keys")
    export = Path(told["file"])
    assert export.name == f"ledger-{told['ledger_id'][:8]}-1-5.jsonl"
    assert Path(told["checkpoint"]).is_file()
    assert "everything is as it was recorded" in shell.run("verify", export)
    history = shell.run("history", video)
    with temporary_database(server_url) as url:
        other = Shell(url, shell.folder)
        imported = other.json("import", export, "--keys", tmp_path / "wrapped.keys")
        assert (imported["root"], imported["facts"]) == (told["root"], 5)
        assert "everything is as it was recorded" in other.run("verify", "--against", told["checkpoint"])
        assert other.run("history", video) == history
        assert "a heron" in history
        assert len(other.run("audit", "--render", video).splitlines()) == 2  # read models were rebuilt
        again = other.json("export", "--out", tmp_path / "again.jsonl", "--to", 5)
        assert Path(again["file"]).read_bytes() == export.read_bytes()
        assert "import_refused" in other.complaint("import", export)


def test_wrapped_keys_of_another_master_key_are_refused_before_anything_is_imported(
    shell: Shell, server_url: str, tmp_path: Path
) -> None:
    export, wrapped = tmp_path / "ledger.jsonl", tmp_path / "wrapped.keys"
    shell.run("export", "--out", export, "--with-keys", wrapped)
    with temporary_database(server_url) as url:
        other = Shell(url, tmp_path / "elsewhere")  # where a master key of its own is made
        said = other.complaint("import", export, "--keys", wrapped)
        assert "import_refused" in said
        assert "line 1 of wrapped.keys: the master key here does not open this key" in said
        shutil.copy(shell.folder / "keys" / "master.key", other.folder / "keys" / "master.key")
        assert other.json("import", export, "--keys", wrapped)["facts"] == 5
        assert "a heron" in other.run("history", VIDEOS[0])


def test_a_damaged_export_is_named_by_line_and_status(shell: Shell, tmp_path: Path) -> None:
    export = tmp_path / "ledger.jsonl"
    shell.run("export", "--out", export)
    export.write_bytes(export.read_bytes().replace(b'"reason":"operator"', b'"reason":"deleted!"', 1))
    said = shell.run("verify", export, status=11)
    assert "line 2: position 2: its payload is not the one that was recorded" in said
    assert "export_refused" in shell.complaint("export", "--out", export)
    assert "video_not_found" in shell.complaint("export", "--out", tmp_path, "--render", "video_" + "0" * 32)
    shell.complaint("verify", export, "--assets", status=2)


def test_of_another_tenants_video_everything_is_found_by_naming_the_tenant(
    shell: Shell, server_url: str, tmp_path: Path
) -> None:
    video = VIDEOS[0]
    with temporary_database(server_url) as url:
        acme = Shell(url, shell.folder)
        ask_for_renders(acme, "acme")
        for asked in (
            ("history", video),
            ("export", "--out", tmp_path / "part.jsonl", "--render", video),
            ("audit", "pack", "--out", tmp_path / "pack.zip", "--render", video),
            ("proof", "take", video),
        ):
            assert "The tenant main has no" in acme.complaint(*asked)
            assert acme.run(*asked, "--tenant", "acme")
        assert acme.json("audit", "ask", "videos_without_decision")["data"] == []
        found = acme.json("audit", "ask", "videos_without_decision", "--tenant", "acme")["data"]
        assert [each["video_id"] for each in found] == VIDEOS
        then = ("--as-of", "2")
        for asked in (("videos", "show", video), ("videos", "lineage", video)):
            assert "the ledger has no video with this id" in acme.complaint(*asked, *then)
            assert video in acme.run(*asked, *then, "--tenant", "acme")
            assert "--tenant goes with --as-of" in acme.complaint(*asked, "--tenant", "acme", status=2)
        assert not acme.json("videos", "list", *then)["data"]
        assert acme.json("videos", "list", *then, "--tenant", "acme")["data"]
        assert not acme.json("spend", *then, "--tenant", "acme")["data"], "nothing was allowed, nothing reserved"


def test_what_is_no_json_beside_an_export_is_said_to_be_none(shell: Shell, tmp_path: Path) -> None:
    export = tmp_path / "ledger.jsonl"
    shell.run("export", "--out", export)
    manifest, checkpoint = (export.with_name(f"ledger.jsonl.{name}") for name in ("manifest.json", "checkpoint"))
    kept = checkpoint.read_text("utf-8")
    checkpoint.write_text("torn", "utf-8")
    assert "ledger.jsonl.checkpoint: not a signed note" in shell.complaint("verify", export, status=20)
    assert "ledger.jsonl.checkpoint: not a signed note" in shell.complaint("verify", "--against", checkpoint, status=20)
    checkpoint.write_text(kept, "utf-8")
    manifest.write_text("torn", "utf-8")
    assert "ledger.jsonl.manifest.json: it is not a JSON object" in shell.complaint("verify", export)


def test_an_export_goes_to_standard_output_as_parquet_too(shell: Shell, tmp_path: Path) -> None:
    video = VIDEOS[1]
    asked = ("export", "--out", "-", "--render", video, "--type", "render.intent")
    lines = run_process(shell.folder, *asked, BICKFORD_DATABASE_URL=shell.url).stdout.splitlines()
    assert [json.loads(line)["data"]["f"]["video_id"] for line in lines] == [video]
    told = shell.json("export", "--out", tmp_path / "ledger.parquet", "--format", "parquet")
    assert "everything is as it was recorded" in shell.run("verify", told["file"])
    shell.complaint("export", "--out", "-", "--json", status=2)


def test_evidence_is_packed_for_a_render_or_a_period(shell: Shell, tmp_path: Path) -> None:
    video = VIDEOS[0]
    pack, months = tmp_path / "pack.zip", tmp_path / "months.zip"
    assert shell.json("audit", "pack", "--render", video, "--out", pack)["facts"] == 2
    with zipfile.ZipFile(pack) as archive:
        names = archive.namelist()
        assert {"index.html", "facts.jsonl", "checkpoint", "log.key", "verify_ledger.py", "README.txt"} <= set(names)
        assert sum(name.startswith("receipts/") for name in names) == 2
        assert b"a heron" not in archive.read("index.html")
    assert shell.json("audit", "pack", "--period", "2000-01-01..3000-01-01", "--out", months)["renders"] == 2
    assert "nothing_recorded" in shell.complaint("audit", "pack", "--period", "2000-01-01..2000-01-02")
    assert "file_exists" in shell.complaint("audit", "pack", "--render", video, "--out", pack)
    shell.complaint("audit", "pack", status=2)
    shell.complaint("audit", "pack", "--period", "2000", status=2)


def test_the_auditors_program_is_handed_out(shell: Shell, tmp_path: Path) -> None:
    program = tmp_path / "check.py"
    assert "--help" in shell.run("auditor", "--out", program)
    assert program.read_bytes().startswith(b'"""Check facts of a bickford-sora ledger')

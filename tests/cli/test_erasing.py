"""Erasing on a real server and database: gone at once, gone after a restore, and kept while a hold says so."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bickford_sora.database.binaries import candidate_folders
from tests.benchmarks.database import temporary_database

from .commands import Served, run, run_process, served

WAIT_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def rendered(server: Served, prompt: str) -> str:
    video_id: str = server.json("render", prompt, "--wait")["id"]
    return video_id


def key_rows(server: Served) -> list[tuple[Any, ...]]:
    with server.books() as books, books.pool.connection() as connection:
        return connection.execute("select name, wrapped, destroyed_at from ledger.keys").fetchall()


def restore(server: Served, rows: list[tuple[Any, ...]]) -> None:
    """What a backup of the keys brings back."""
    with server.books() as books, books.pool.connection() as connection:
        for name, wrapped, destroyed_at in rows:
            statement = "update ledger.keys set wrapped = %s, destroyed_at = %s where name = %s"
            connection.execute(statement, (wrapped, destroyed_at, name))


def test_what_is_erased_is_gone_and_stays_gone_when_a_backup_is_restored(server: Served) -> None:
    video_id, other = rendered(server, "A secret kite"), rendered(server, "A boat")
    backup = key_rows(server)
    assert "render.intent" in server.run("audit", "--text", "secret kite")
    said = server.run("erase", "--render", video_id, "--reason", "asked by Mia")
    assert f"subject                {video_id}\n" in said
    assert server.json("videos", "show", video_id)["prompt"] is None
    assert "\nerased_at " in server.run("videos", "show", video_id)
    gives_up_at = time.monotonic() + WAIT_S
    while server.json("erase", "--render", video_id, "--reason", "asked by Mia")["files_left"]:
        assert time.monotonic() < gives_up_at
        time.sleep(0.1)
    assert server.run("audit", "--text", "secret kite") == ""
    left = [each for each in (server.data_dir / "assets").rglob("*") if each.is_file()]
    assert {each.parts[-3] for each in left} == {other.replace("_", "-")}
    listed = server.json("erasures", "list")["data"]
    assert [(each["kind"], each["subject"], each["cause"]) for each in listed] == [("render", video_id, "asked")]
    assert server.json("erasures", "reapply")["data"] == []

    put_back = server.data_dir / "assets" / video_id.replace("_", "-") / "ab" / ("ab" * 32)
    put_back.parent.mkdir(parents=True, exist_ok=True)
    put_back.write_bytes(b"restored")
    assert server.run("erasures", "reapply") == "0 erased again, 1 files removed\n"
    assert not put_back.exists()
    for command in (("history", video_id), ("policy", "explain", video_id), ("videos", "list")):
        assert "secret" not in server.run(*command)

    restore(server, backup)
    assert server.json("videos", "show", video_id)["prompt"] == "A secret kite", "the backup has it"
    again = run(server.data_dir, "erasures", "reapply")
    assert again.stdout == "1 erased again, 0 files removed\n"
    assert "run 'serve' or 'worker'" in again.stderr
    assert server.json("videos", "show", video_id)["prompt"] is None
    assert server.json("videos", "show", other)["prompt"] == "A boat"
    assert "Mia" not in (server.data_dir / "erasures.jsonl").read_text()


def test_a_list_that_is_not_there_is_not_taken_for_nothing_to_erase(server: Served) -> None:
    nowhere = server.folder / "nowhere.jsonl"
    for command in ("list", "reapply"):
        said = run(server.data_dir, "erasures", command, BICKFORD_ERASURES_FILE=str(nowhere))
        assert f"no list at {nowhere}" in said.stderr
    assert not nowhere.exists()


def tool(name: str) -> str:
    """A program of PostgreSQL that is no part of its server."""
    found = [folder / name for folder in candidate_folders() if (folder / name).is_file()]
    if not found:
        pytest.skip(f"{name} is not installed beside any server")
    return str(found[0])


def test_a_dump_of_the_database_that_is_restored_is_erased_again(server: Served) -> None:
    dump, restore = tool("pg_dump"), tool("pg_restore")
    video_id, other = rendered(server, "A hidden door"), rendered(server, "A stair")
    kept = server.folder / "ledger.dump"
    with server.books() as books:
        url, head = books.pool.conninfo, books.ledger.head()
    subprocess.run([dump, "--format=custom", f"--file={kept}", url], check=True)
    erased = server.json("erase", "--render", video_id, "--reason", "asked by Mia")
    assert erased["subject"] == video_id
    with temporary_database(url) as restored:
        subprocess.run([restore, "--no-owner", f"--dbname={restored}", kept], check=True)

        def on_it(*arguments: str) -> Any:
            return json.loads(run(server.data_dir, *arguments, "--json", BICKFORD_DATABASE_URL=restored).stdout)

        def prompt(of: str) -> str | None:
            said: str | None = on_it("videos", "show", of, "--as-of", str(head))["prompt"]
            return said

        assert prompt(video_id) == "A hidden door", "the dump has it"
        assert video_id in [each["subject"] for each in on_it("erasures", "reapply")["data"]]
        assert (prompt(video_id), prompt(other)) == ("(erased)", "A stair")
        assert on_it("verify")["held"]


def test_a_hold_is_placed_and_lifted_and_keeps_a_video_meanwhile(server: Served) -> None:
    video_id = rendered(server, "A lamp")
    hold = server.json("holds", "place", "--render", video_id, "--reason", "a suit")
    assert hold["id"] in server.run("holds", "list")
    for command in (("erase", "--render", video_id, "--reason", "x"), ("videos", "delete", video_id)):
        refused = run(server.data_dir, *command, status=1)
        assert "legal_hold" in refused.stderr
        assert hold["id"] in refused.stderr
    assert video_id in server.run("holds", "lift", hold["id"], "--reason", "settled")
    assert server.json("holds", "list")["data"] == []
    assert server.json("erase", "--render", video_id, "--reason", "x")["unreadable"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("erase", "--reason", "x"),
        ("erase", "--reason", "x", "--render", "video_1", "--requester", "req-1"),
        ("holds", "place", "--reason", "x"),
        ("holds", "place", "--reason", "x", "--tenant", "--project", "films"),
    ],
)
def test_a_command_without_one_subject_asks_for_it(server: Served, arguments: tuple[str, ...]) -> None:
    assert "give one of" in run(server.data_dir, *arguments, status=2).stderr


def test_nobody_serves_on_a_damaged_list(server: Served) -> None:
    kept = server.data_dir / "erasures.jsonl"
    if not kept.exists():
        rendered_id = rendered(server, "A lamp")
        server.run("erase", "--render", rendered_id, "--reason", "x")
    whole = kept.read_bytes()
    first = json.loads(whole.splitlines()[0])
    first["erasure"]["requester"] = "somebody-else"
    kept.write_bytes(json.dumps(first).encode() + b"\n" + whole.partition(b"\n")[2])
    try:
        serve = ("serve", "--no-workers", "--port", "0")
        for running, command in ((run_process, serve), (run, ("erasures", "list")), (run, ("erasures", "reapply"))):
            refused = running(server.data_dir, *command, status=1).stderr
            assert "erasure_list_damaged" in refused
            assert "erasures.jsonl, line 1: it was changed" in refused
    finally:
        kept.write_bytes(whole)

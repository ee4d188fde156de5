"""The commands of the guide to backups, as they stand there: a server goes on, a copy is made, and it is whole."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

from .commands import environment, reachable_folder, run, served, shell_function

pytestmark = pytest.mark.xdist_group("watch")

GUIDE = (ROOT / "docs" / "guides" / "backup.md").read_text("utf-8")
SHELL_TIMEOUT_S = 240.0


def block(name: str) -> str:
    """The commands behind a mark in the guide."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert found is not None, name
    return found[1]


def shell(commands: str, data_dir: Path, given: Mapping[str, str]) -> str:
    """What the commands say. Each of them must succeed."""
    programs = Path(sys.executable).parent
    variables = {**given, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with shell_function() as (function, descriptors):
        done = subprocess.run(
            ["/bin/bash", "-eu", "-c", f"{function}\n{commands}"],
            env=environment(data_dir, variables),
            capture_output=True,
            text=True,
            timeout=SHELL_TIMEOUT_S,
            check=False,
            pass_fds=descriptors,
        )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_what_was_backed_up_is_restored_and_what_was_erased_since_stays_erased() -> None:
    with served() as server, reachable_folder() as folder:
        given = {
            "BACKUP": str(folder / "backup"),
            "KEYS_BACKUP": str(folder / "keys"),
            "NEWEST_ERASURES": str(folder / "erasures.jsonl"),
        }
        kept, erased = (
            server.json_lines("render", prompt, "--seconds", "1", "--size", "160x96", "--wait")[-1]["id"]
            for prompt in ("a kite that stays", "a kite to be erased")
        )
        shell(block("backup") + block("keys"), server.data_dir, given)
        server.run("checkpoint", "rotate-key")
        shell(block("keys"), server.data_dir, given)  # as the guide says of a key that was rotated
        assert names(server.data_dir / "keys") <= names(folder / "keys")
        server.run("erase", "--render", erased, "--reason", "Ticket 4711")
        (server.data_dir / "erasures.jsonl").rename(folder / "erasures.jsonl")
        said = shell(block("restore"), folder / "restored", given)
        assert "1 erased again" in said
        assert "everything is as it was recorded" in said
        assert "a kite that stays" in run(folder / "restored", "history", kept).stdout
        assert "a kite to be erased" not in run(folder / "restored", "history", erased).stdout


def test_a_program_that_is_not_there_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    said = run(tmp_path / "data", "database", "run", "pg_nonsense", status=1)
    assert "postgresql-client" in said.stderr

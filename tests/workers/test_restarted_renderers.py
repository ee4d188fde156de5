"""A renderer pool is killed and restarted in the middle of ten renders: real processes, the script of the docs."""

import os
import re
import subprocess
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.commands import COMMAND, OURS, Process, start

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "restart-renderers" / "run.py"


def script_of_the_docs() -> Any:
    spec = spec_from_file_location("restart_renderers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_renders_outlive_the_kill_of_both_their_renderers_and_no_client_sees_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script runs in this process, and the programs it starts are forked."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BICKFORD_DATABASE_URL", database_url)
    log = tmp_path / "log"

    def started(command: list[str], *, env: Mapping[str, str], stdout: int, text: bool) -> Process:
        assert (tuple(command[:3]), stdout, text) == (COMMAND, subprocess.PIPE, True)
        with log.open("a") as errors:
            return start(command[3:], env, errors)

    script = script_of_the_docs()
    monkeypatch.setattr(script, "subprocess", SimpleNamespace(Popen=started, PIPE=subprocess.PIPE))
    status = script.main()
    told = capsys.readouterr().out
    assert status == 0, told + log.read_text()
    assert told.count("was killed, and started again") == 2
    assert re.search(r"^[1-9]\d* jobs were forgotten, and submitted again$", told, re.MULTILINE)
    assert "10 of 10 were completed and downloaded: ['completed']" in told

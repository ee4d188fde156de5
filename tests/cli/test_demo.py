"""The demo as a stranger runs it: what it says, who else may run it, how it is left, and that nothing outlives it."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

from .commands import COMMAND, environment, reachable_folder, run, run_process

STORY_TIMEOUT_S = 240.0
GONE_TIMEOUT_S = 30.0
COUNTS = {
    "renders": 5,
    "stored": 4,
    "failed": 1,
    "billed": 5,
    "refused": 1,
    "duplicate_webhooks_ignored": 5,
    "replay_equal": True,
}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def held_in_the_readme() -> list[str]:
    """The lines of promises in the README's example."""
    return [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("held ")]


class Kept:
    """A running `demo --keep --json`."""

    def __init__(self, data_dir: Path) -> None:
        # A database and sizes of somebody's own are no business of the demo's.
        settings = {"BICKFORD_DATABASE_URL": "postgresql://127.0.0.1:1/none", "BICKFORD_SIZES": "160x96"}
        self.process = subprocess.Popen(
            [*COMMAND, "demo", "--keep", "--json"],
            env=environment(data_dir, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def report(self) -> Any:
        """What it prints when the story has ended."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self, number: signal.Signals) -> int:
        """Ends it by this signal. Returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STORY_TIMEOUT_S)


@contextmanager
def kept_in(data_dir: Path) -> Iterator[Kept]:
    """A demo that is gone afterwards, whatever happened."""
    demo = Kept(data_dir)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()
        assert demo.process.stdout is not None
        demo.process.stdout.close()


@pytest.mark.slow
def test_after_one_killed_in_the_middle_a_kept_demo_holds_answers_every_command_and_leaves_no_process(
    data_dir: Path,
) -> None:
    with kept_in(data_dir) as killed:
        _wait_for_worker(data_dir)
        killed.end(signal.SIGKILL)
        _wait_until_alone(data_dir)
    with kept_in(data_dir) as kept:
        report = kept.report()
        assert [check["promise"] for check in report["checks"] if not check["kept"]] == []
        assert report["held"] is True
        assert [f"held    {each['promise']} ({each['seen']})" for each in report["checks"]] == held_in_the_readme()
        assert {name: report[name] for name in COUNTS} == COUNTS
        assert Path(report["video_path"]).read_bytes()[4:8] == b"ftyp"
        assert run_process(data_dir, "demo", status=1).stderr.startswith("error (demo_running): ")
        _every_command_answers(data_dir / "demo", report)
        assert kept.end(signal.SIGTERM) == 0
        _wait_until_alone(data_dir)


def _every_command_answers(folder: Path, report: Any) -> None:
    history = run(folder, "history", report["video_id"], "--json").stdout.splitlines()
    assert [json.loads(line)["type"] for line in history][-1] == "render.remixed"
    received = run(folder, "audit", "--type", "webhook.received").stdout.splitlines()
    assert len(received) >= report["billed"]  # the one that was killed may have come to some, too
    assert report["video_id"] in run(folder, "videos", "list").stdout


def _processes_on(data_dir: Path) -> list[str]:
    """Processes that name the folder in their arguments or environment, by their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:  # it has ended, or is none of ours
            continue
        if str(data_dir).encode() in arguments + variables:
            found.append(arguments.replace(b"\0", b" ").decode())
    return found


def _wait_for_worker(data_dir: Path) -> None:
    gives_up_at = time.monotonic() + STORY_TIMEOUT_S
    while not any("worker_process" in each for each in _processes_on(data_dir)):
        assert time.monotonic() < gives_up_at
        time.sleep(0.05)


def _wait_until_alone(data_dir: Path) -> None:
    gives_up_at = time.monotonic() + GONE_TIMEOUT_S
    while left := _processes_on(data_dir):
        assert time.monotonic() < gives_up_at, left
        time.sleep(0.1)

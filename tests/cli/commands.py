"""Running commands as a shell would, and a server to run them against."""

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from bickford_sora.cli import application
from bickford_sora.composition.books import Books, open_books
from bickford_sora.settings import Settings
from bickford_sora.simulator.faults import Fault, FaultKind, Operation
from tests.cli.forking import IS_POSSIBLE, Forked, asking
from tests.cli.forking import OURS as PROGRAM
from tests.clusters import copy_cluster
from tests.logs import log_plainly

COMMAND = (sys.executable, "-m", "bickford_sora")
COMMAND_TIMEOUT_S = 180.0
START_TIMEOUT_S = 120.0
Process = Forked | subprocess.Popen[str]
OURS = ("BICKFORD_", "OPENAI_")


def environment(data_dir: Path, given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of ours, but for those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "BICKFORD_DATA_DIR": str(data_dir), **given}


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that the database server's user can pass through, too, when the tests are run by root."""
    folder = Path(tempfile.mkdtemp(prefix="bickford-cli-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Said:
    """What a command wrote."""

    stdout: str
    stderr: str


def run(data_dir: Path, *arguments: str, status: int = 0, **given: str) -> Said:
    """Runs one command in this process, which is quicker than in one of its own. It must end with this status."""
    said, complained = io.StringIO(), io.StringIO()
    with _environment_of(data_dir, given), _logging_kept(), redirect_stdout(said), redirect_stderr(complained):
        ended = application.run(arguments)
    return _checked(Said(said.getvalue(), complained.getvalue()), arguments, ended, status)


def run_process(data_dir: Path, *arguments: str, status: int = 0, **given: str) -> Said:
    """Runs one command in a process of its own. It must end with this status."""
    with tempfile.TemporaryFile("w+") as errors:
        process = start(arguments, environment(data_dir, given), errors)
        impatience = threading.Timer(COMMAND_TIMEOUT_S, process.kill)  # so that reading its output ends
        impatience.start()
        try:
            assert process.stdout is not None
            with process.stdout:
                said = process.stdout.read()
            ended = process.wait(COMMAND_TIMEOUT_S)
        finally:
            impatience.cancel()
        errors.seek(0)
        return _checked(Said(said, errors.read()), arguments, ended, status)


@contextmanager
def shell_function() -> Iterator[tuple[str, list[int]]]:
    """`bickford-sora` for a shell of bash, and what descriptors the shell has to be given for it."""
    if not IS_POSSIBLE:
        yield f'bickford-sora() {{ "{sys.executable}" -m bickford_sora "$@"; }}', []
        return
    script = Path(__file__).with_name("forked.py")
    with asking() as forker:
        yield f'bickford-sora() {{ "{sys.executable}" -S "{script}" {forker.fileno()} "$@"; }}', [forker.fileno()]


def _checked(said: Said, arguments: Sequence[str], ended: int, status: int) -> Said:
    assert ended == status, f"{arguments} ended with {ended}: {said}"
    assert "Traceback" not in said.stderr, said.stderr
    return said


@contextmanager
def _environment_of(data_dir: Path, given: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OURS)]:
            patch.delenv(name)
        for name, value in environment(data_dir, given).items():
            patch.setenv(name, value)
        yield


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Takes back what a command set up for a process of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        log_plainly()


@dataclass(frozen=True)
class Served:
    """A running `serve --simulator`."""

    process: Process
    data_dir: Path
    folder: Path
    base_url: str
    announced: str

    def run(self, *arguments: str, status: int = 0) -> str:
        """The standard output of a command on the same data folder."""
        return run(self.data_dir, *arguments, status=status).stdout

    @contextmanager
    def books(self) -> Iterator[Books]:
        """The ledger of the running server, opened here."""
        with _environment_of(self.data_dir, {}), open_books(Settings()) as opened:
            yield opened

    def json(self, *arguments: str) -> Any:
        """What a command says with --json."""
        return json.loads(self.run(*arguments, "--json"))

    def refused(self, *arguments: str) -> Any:
        """What a command says with --json that ends with status 1."""
        return json.loads(self.run(*arguments, "--json", status=1))

    def next_job_fails(self, prompt: str) -> None:
        """Has the simulator fail the next job with this prompt."""
        self._strike(Fault(kind=FaultKind.JOB_FAILS, marker=prompt))

    def next_answer_is_lost(self, prompt: str) -> None:
        """Has the simulator take the next job with this prompt, and break the connection instead of answering."""
        self._strike(Fault(kind=FaultKind.RESET_AFTER_ACCEPT, operation=Operation.CREATE, marker=prompt))

    def job_of(self, prompt: str) -> str:
        """The simulator's id of the job with this prompt."""
        jobs = httpx.get(f"{self._simulator}/simulator/billing").raise_for_status().json()["jobs"]
        return next(str(each["id"]) for each in jobs if each["prompt"] == prompt)

    def _strike(self, fault: Fault) -> None:
        httpx.post(f"{self._simulator}/simulator/faults", json=fault.model_dump(mode="json")).raise_for_status()

    @property
    def _simulator(self) -> str:
        log = (self.folder / "serve.log").read_text()
        return log.split("drawn by a simulator at ")[1].partition("/v1,")[0]

    def json_lines(self, *arguments: str) -> list[Any]:
        """What a command says with --json, a document a line."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]


SMALL_AND_QUICK = {
    "BICKFORD_SECONDS": "1,4",
    "BICKFORD_SIZES": "160x96,96x160",
    "BICKFORD_POLL_AFTER_MS": "100",
    "BICKFORD_PROJECTION_WAIT_S": "30",  # a list is to have what was made, however busy the machine is
    "BICKFORD_LOG_LEVEL": "warning",
}


@contextmanager
def served(*, render_time_s: float = 0.3, **given: str) -> Iterator[Served]:
    """`serve --simulator` on a free port and a data folder of its own; stopped by SIGTERM unless it has ended."""
    with reachable_folder() as folder:
        if "BICKFORD_DATABASE_URL" not in given:
            copy_cluster(folder / "data")
        log = folder / "serve.log"
        with log.open("w") as errors:
            arguments = ("serve", "--simulator", "--port", "0", "--render-time", str(render_time_s))
            process = start(arguments, environment(folder / "data", {**SMALL_AND_QUICK, **given}), errors)
        impatience = threading.Timer(START_TIMEOUT_S, process.kill)  # so that reading its output ends
        impatience.start()
        try:
            announced = _announced(process, log)
            impatience.cancel()
            yield Served(process, folder / "data", folder, announced.splitlines()[0].split()[-1], announced)
        finally:
            impatience.cancel()
            stop(process)


def start(
    arguments: Sequence[str], known: Mapping[str, str], errors: IO[str], *, module: str = PROGRAM, leads: bool = False
) -> Process:
    """Starts a command with this environment, and has it write its errors there; in a new session if it `leads`."""
    if IS_POSSIBLE:
        return Forked(arguments, known, errors, module=module, leads=leads)
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, env=known, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=leads
    )


def stop(process: Process) -> int:
    """Ends a server as an init system would. Returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(COMMAND_TIMEOUT_S)
    finally:
        process.kill()
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: Process, log: Path) -> str:
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert lines[0].startswith("Serving the Videos API at http://127.0.0.1:"), f"{lines}{log.read_text()}"
    return "".join(lines)


@contextmanager
def running(known: Mapping[str, str], log: Path, *arguments: str) -> Iterator[Process]:
    """A command in a process with this environment; stopped by SIGTERM unless it has ended."""
    with log.open("w") as errors:
        process = start(arguments, known, errors)
    try:
        yield process
    finally:
        stop(process)


def first_line(process: Process) -> str:
    """What a command announces itself with."""
    assert process.stdout is not None
    return process.stdout.readline()


def wait_until_gone(path: Path, timeout_s: float = 20.0) -> None:
    """Waits for a file to be removed."""
    gives_up_at = time.monotonic() + timeout_s
    while path.exists():
        assert time.monotonic() < gives_up_at, f"{path} is still there"
        time.sleep(0.02)

"""Processes that use an embedded server, and a look at the processes the server is made of."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

REPOSITORY = Path(__file__).parents[2]
WAIT_S = 60.0
WITH_OUR_PACKAGES = {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), sysconfig.get_path("purelib")))}

USE_UNTIL_TOLD = """
import sys
import sysconfig
from pathlib import Path
from typing import Any
from bickford_sora.database.embedded import EmbeddedPostgres

with EmbeddedPostgres.acquire(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def wait_until(condition: Callable[[], bool], *, timeout_s: float = WAIT_S) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class ServerUserProcess:
    """Another process that uses the server of a data folder until it is told to end, or killed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        script: str = USE_UNTIL_TOLD,
        user_id: int | None = None,
        interpreter: str = sys.executable,
    ) -> None:
        identity = {} if user_id is None else {"user": user_id, "group": user_id, "extra_groups": []}
        self.process = subprocess.Popen(
            [interpreter, "-c", script, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
            env=os.environ | WITH_OUR_PACKAGES,
            **identity,
        )

    def line(self, prefix: str) -> str:
        """The next line of its output that begins so; what it said instead if it ended."""
        said = ""
        for line in self.process.stdout:
            if line.startswith(prefix):
                return line.strip()
            said += line
        raise AssertionError(said)

    def url(self) -> str:
        return self.line("postgresql://")

    def end(self) -> None:
        self.process.communicate("", timeout=WAIT_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=WAIT_S)

    def dispose(self) -> None:
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


@dataclass
class Home:
    """A data folder, and the processes that work on it."""

    data_dir: Path
    processes: list[ServerUserProcess] = field(default_factory=list)

    def use(self, **options: Any) -> ServerUserProcess:
        process = ServerUserProcess(self.data_dir, **options)
        self.processes.append(process)
        return process

    def postmasters(self) -> list[int]:
        """The server processes that live; a child of one has its command line until it says what it does itself."""
        found = {pid for pid, words in _command_lines() if "-D" in words and str(self.data_dir / "postgres") in words}
        return [pid for pid in found if _parent(pid) not in found]

    def guardians(self) -> list[int]:
        return [pid for pid, words in _command_lines() if "--lock-fd" in words and str(self.data_dir) in words]

    def is_quiet(self) -> bool:
        """Whether no process is left."""
        return not self.postmasters() and not self.guardians()

    def kill(self, pids: list[int]) -> None:
        assert len(pids) == 1
        os.kill(pids[0], signal.SIGKILL)
        assert wait_until(lambda: not _lives(pids[0]))

    def kill_server(self) -> None:
        """And wait for its backends: each hears of its end in its own time, and answers until then."""
        [postmaster] = self.postmasters()
        backends = _children(postmaster)
        self.kill([postmaster])
        assert wait_until(lambda: not any(_lives(pid) for pid in backends))


def _children(parent: int) -> list[int]:
    """Processes that it started."""
    return [pid for pid, _ in _command_lines() if _parent(pid) == parent]


def _parent(pid: int) -> int | None:
    found = re.search(r"^PPid:\t(\d+)$", _status(pid), re.MULTILINE)
    return int(found[1]) if found else None


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:  # ended meanwhile
        return ""


def _lives(pid: int) -> bool:
    """Whether it is a process; a zombie, of which nothing but its number is left, is none.

    By its state: one that is ending has no command line any more, and its locks and sockets for a moment yet.
    """
    return bool(status := _status(pid)) and "\nState:\tZ" not in status


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile; a zombie's is empty
            yield int(folder.name), (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")


def select(url: str, query: str) -> object:
    """The one value a query returns, over a connection of its own."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]

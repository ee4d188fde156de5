"""Processes that use an embedded server, and a look at the processes the server is made of."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.processes import children_of, command_lines, is_gone, postmasters

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
        return postmasters(self.data_dir / "postgres")

    def guardians(self) -> list[int]:
        return [pid for pid, words in command_lines() if "--lock-fd" in words and str(self.data_dir) in words]

    def is_quiet(self) -> bool:
        """Whether no process is left."""
        return not self.postmasters() and not self.guardians()

    def kill(self, pids: list[int]) -> None:
        assert len(pids) == 1
        os.kill(pids[0], signal.SIGKILL)
        assert wait_until(lambda: is_gone(pids[0]))

    def kill_server(self) -> None:
        """And wait for its backends: each hears of its end in its own time, and answers until then."""
        [postmaster] = self.postmasters()
        backends = children_of(postmaster)
        self.kill([postmaster])
        assert wait_until(lambda: all(map(is_gone, backends)))


def select(url: str, query: str) -> object:
    """The one value a query returns, over a connection of its own."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]

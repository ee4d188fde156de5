"""Commands in processes that are forked off one that has imported everything: `python -m tests.cli.forking FD`.

To import what `serve` needs takes two seconds of a processor. A forked process is what a fresh one is, but for its
command line and the environment that /proc shows of it. Tests that are about how a program starts start a fresh one.
A shell has its commands forked by [forked.py](forked.py).
"""

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
IS_POSSIBLE = hasattr(os, "pidfd_open")
"""Whether the system, Linux, says when a process has ended."""
OURS = "bickford_sora"
"""The module that is the command."""
BYTES_MAX = 1 << 17
"""Of a command with its environment."""


class Forked:
    """A command that runs, as `subprocess.Popen` shows one. What it writes to its standard output is read here."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: IO[Any],
        *,
        module: str = OURS,
        leads: bool = False,
    ) -> None:
        """Starts `python -m module`, where it `leads` in a session of its own."""
        self.args = list(arguments)
        self.returncode: int | None = None
        reading, writing = os.pipe()
        self._told, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with told, os.fdopen(writing, "w"):
            asked = {"module": module, "arguments": self.args, "environment": dict(environment), "leads": leads}
            _ask(json.dumps(asked).encode(), [writing, log.fileno(), told.fileno()])
        self.stdout = os.fdopen(reading, "r")
        self.pid = int(self._told.recv(64))

    def poll(self) -> int | None:
        """Its exit status once it has ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, when it has ended.

        Raises subprocess.TimeoutExpired.
        """
        ended = self._ended(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return ended

    def _ended(self, timeout_s: float | None) -> int | None:
        if self.returncode is None:
            self._told.settimeout(timeout_s)
            try:
                self.returncode = int(self._told.recv(64))
            except (BlockingIOError, TimeoutError):
                return None
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """kill -15."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


_LOCK = threading.Lock()
_FORKER: list[tuple[socket.socket, subprocess.Popen[bytes]]] = []
"""The process to ask, once it was asked; it ends with this one."""


def _ask(asked: bytes, fds: list[int]) -> None:
    with asking() as forker:
        socket.send_fds(forker, [asked], fds)
        assert forker.recv(1) == b"+", "it was not forked"


@contextmanager
def asking() -> Iterator[socket.socket]:
    """Where to ask, for whoever has it: one at a time."""
    with _LOCK:
        if not _FORKER:
            _FORKER.append(_started())
        yield _FORKER[0][0]


def _started() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.cli.forking", str(theirs.fileno())]
        process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    atexit.register(ours.close)
    return ours, process


class Forker:
    """The process that has imported everything. It does next to nothing, so that it can fork at any moment."""

    def __init__(self, asking: socket.socket) -> None:
        self.asking = asking
        self.running: dict[int, tuple[int, socket.socket]] = {}
        """By the descriptor that says that it has ended: the process, and who wants to know."""
        self.selector = selectors.DefaultSelector()
        self.selector.register(asking, selectors.EVENT_READ)

    def next_command(self) -> tuple[str, list[str]]:
        """A module and its arguments, in the process that is to run it. Does not return in the one that forks."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is not self.asking:
                    self._tell(key.fd)
                elif (command := self._fork()) is not None:
                    return command

    def _fork(self) -> tuple[str, list[str]] | None:
        content, fds, _, _ = socket.recv_fds(self.asking, BYTES_MAX, 3)
        if not content:
            sys.exit(0)  # who asks has gone
        asked = json.loads(content)
        pid = os.fork()
        if pid == 0:
            if asked["leads"]:
                os.setsid()
            self._become(asked["environment"], fds)
            return asked["module"], asked["arguments"]
        told = socket.socket(fileno=fds.pop())
        for each in fds:
            os.close(each)
        self.asking.sendall(b"+")
        told.sendall(str(pid).encode())
        ended = os.pidfd_open(pid)
        self.running[ended] = (pid, told)
        self.selector.register(ended, selectors.EVENT_READ)
        return None

    def _become(self, environment: Mapping[str, str], fds: list[int]) -> None:
        """Leaves everything behind that is the forking process's, and takes what was given."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.selector.close()
        self.asking.close()
        for ended, (_, told) in self.running.items():
            os.close(ended)
            told.close()
        os.dup2(fds[0], 1)
        os.dup2(fds[1], 2)
        for each in fds:
            os.close(each)
        os.environ.clear()
        os.environ.update(environment)

    def _tell(self, ended: int) -> None:
        pid, told = self.running.pop(ended)
        self.selector.unregister(ended)
        os.close(ended)
        _, status = os.waitpid(pid, 0)
        with told:
            told.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def main() -> None:
    """Imports, waits, and in each forked process runs the command."""
    gc.disable()
    import bickford_sora.cli.keeping  # noqa: PLC0415 - in the process that forks, not in the one that asks
    import bickford_sora.cli.serve  # noqa: PLC0415 - as above
    import bickford_sora.cli.stand_in  # noqa: PLC0415 - as above
    import bickford_sora.cli.worker  # noqa: F401, PLC0415 - as above
    from bickford_sora.cli.application import run  # noqa: PLC0415 - as above
    from bickford_sora.egress import usual_authorities  # noqa: PLC0415 - as above

    usual_authorities()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the commands, too
    module, arguments = Forker(socket.socket(fileno=int(sys.argv[1]))).next_command()
    if module == OURS:
        sys.exit(run(arguments))
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

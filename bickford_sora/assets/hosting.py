"""The gateway's side of `inspection_host`: one host for as long as there are files to check, and a child for each."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bickford_sora.assets.errors import MediaInspectorUnavailable
from bickford_sora.assets.inspection_host import DESCRIPTORS
from bickford_sora.assets.limits import MediaLimits

_PACKAGES = Path(__file__).resolve().parents[2]
_STOP_S = 5.0

# -P and -s: neither the working directory nor the user's own packages are imported.
HOST = (sys.executable, "-P", "-s", "-X", "utf8", "-m", "bickford_sora.assets.inspection_host")
"""The command of the host."""


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """A child at work.

    Attributes:
        answer: a descriptor, at its end when the child has closed its output.
        control: tells the child's exit code on a line; the child is killed if it is closed before that.
    """

    answer: int
    control: socket.socket

    def exit_code(self, timeout_s: float) -> int | None:
        """The child's exit code (negative: the signal that killed it); None if nobody is left to tell.

        Raises TimeoutError.
        """
        self.control.settimeout(max(timeout_s, 0.001))  # 0 would mean not to wait at all
        with self.control.makefile("rb") as told:
            line = told.readline()
        return int(line) if line.endswith(b"\n") else None


class InspectionHost:
    """Starts the host when it is first needed, and again if it died. Thread-safe; must be closed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._starting = threading.Lock()
        self._requests: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def checking(self, task: str, limits: MediaLimits, file: BinaryIO) -> Iterator[Checked]:
        """A child that does a task with a file. It does not outlive the block.

        Raises:
            MediaInspectorUnavailable: the host cannot be started.
        """
        request = json.dumps({"task": task, "limits": dataclasses.asdict(limits)}).encode() + b"\n"
        control, theirs = socket.socketpair()
        answer, written = os.pipe()
        try:
            try:
                control.sendall(request)
                self._send([file.fileno(), written, theirs.fileno()])
            finally:
                os.close(written)
                theirs.close()
            yield Checked(answer, control)
        finally:
            os.close(answer)
            control.close()

    def close(self) -> None:
        """Ends the host. Children at work go on for as long as somebody waits for them. May be repeated."""
        with self._starting:
            self._end()

    def _send(self, descriptors: list[int]) -> None:
        assert len(descriptors) == DESCRIPTORS  # noqa: S101 - a programmer's mistake
        with self._starting:
            if self._process is None or self._process.poll() is not None:
                self._start()
            assert self._requests is not None  # noqa: S101 - for the type checker
            try:
                socket.send_fds(self._requests, [b"!"], descriptors)
            except OSError as error:
                raise MediaInspectorUnavailable(f"the checking process is gone: {error.strerror}") from error

    def _start(self) -> None:
        self._end()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a fixed command
                    self._command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PYTHONPATH": str(_PACKAGES)},
                    cwd="/",
                    close_fds=True,
                    start_new_session=True,  # an interrupt of ours is not the file's fault
                )
            except OSError as error:
                ours.close()
                raise MediaInspectorUnavailable(f"the checking process cannot be started: {error.strerror}") from error
        self._requests = ours

    def _end(self) -> None:
        """Lets the host end by itself, which it does as soon as nobody can ask."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._requests = self._process = None

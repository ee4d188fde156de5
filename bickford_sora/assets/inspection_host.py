"""The process that forks a child for each file to check: `python -m bickford_sora.assets.inspection_host`.

    gateway ── exec ──► host ── fork ──► attendant ── fork ──► child      one file each, then gone
       └──── a socket of its own for each file ──┘

To import the decoders takes ten times as long as to check a short video, so the host imports them once, and never
touches a file. It starts with a fresh image (exec, not fork): nothing of the gateway's memory, environment or
descriptors is in it, and so nothing is in a child. What a child does to its memory ends with it.

The gateway sends a byte for each file, with three descriptors: the file, where the answer goes, and a socket. On that
socket it sends a line of JSON, the task and its limits, and is told the child's exit code (negative: the signal that
killed it). When it closes the socket before that, or dies, the child is killed. What a child itself began ends with it.
"""

import gc
import json
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from bickford_sora.assets.inspection import inspect, prepare
from bickford_sora.assets.limits import MediaLimits

DESCRIPTORS = 3
"""Sent with each file; and the number of those a process expects to have when it starts."""

_SIGNALS_MAX = 64
"""Signals that are looked at together; of those that came a byte each is left."""

Child = Callable[[str, MediaLimits], None]
"""What a child does: a task, under these limits, from its standard input to its standard output."""


def check_standard_input(task: str, limits: MediaLimits) -> None:
    """What every child does but those of tests."""
    with open(0, "rb", closefd=False) as file, open(1, "wb", closefd=False) as output:
        inspect(task, limits, file, output)


def serve(child: Child) -> None:
    """Fork for whoever sends a file on standard input, a socket, until nobody can any more."""
    gc.collect()
    gc.freeze()  # the collector writes into what it looks at: what it leaves alone stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for attendants
    with socket.socket(fileno=0) as requests:
        while True:
            asked, descriptors, _, _ = socket.recv_fds(requests, 1, DESCRIPTORS)
            if not asked:
                return
            if os.fork() == 0:
                requests.close()  # or it would seem that a host that died still listens
                _attend(descriptors, child)
            for each in descriptors:
                os.close(each)


def _attend(descriptors: list[int], child: Child) -> NoReturn:
    """Have a child do what is asked, tell its exit code, and kill it when nobody waits for that any more."""
    file, answer, control = descriptors
    ended, woken = socket.socketpair()
    woken.setblocking(False)  # noqa: FBT003 - positional only
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with suppress(OSError, ValueError), socket.socket(fileno=control) as gateway:
        with gateway.makefile("rb", buffering=0) as lines:
            request = json.loads(lines.readline())
        pid = os.fork()
        if pid == 0:
            _be(file, answer, child, request)
        with suppress(OSError):
            os.setpgid(pid, pid)  # it does so, too; whoever is first
        os.close(answer)
        gateway.sendall(b"%d\n" % os.waitstatus_to_exitcode(_end_of(pid, gateway, ended)))
    os._exit(0)


def _end_of(pid: int, gateway: socket.socket, ended: socket.socket) -> int:
    """How the child ended, by itself or because nobody waits any more. Nothing that it began stays behind."""
    status = None
    while status is None:
        readable, _, _ = select.select([gateway, ended], [], [])
        if gateway in readable:
            os.killpg(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1]
        ended.recv(_SIGNALS_MAX)
        found, status_now = os.waitpid(pid, os.WNOHANG)  # the signal comes as well when it only stops
        status = status_now if found else None
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)  # as long as anybody is left in the group, its id is nobody else's
    return status


def _be(file: int, answer: int, child: Child, request: dict[str, Any]) -> NoReturn:
    """The child: in a group of its own, with the file, the answer and nothing else."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_WRONLY)
        for number, each in enumerate((file, answer, nothing)):
            os.dup2(each, number)
        os.closerange(DESCRIPTORS, os.sysconf("SC_OPEN_MAX"))
        child(str(request["task"]), MediaLimits(**request["limits"]))
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    prepare()
    serve(check_standard_input)

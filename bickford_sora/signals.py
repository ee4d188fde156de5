"""Signals of a process without threads, as something that can be waited for."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Those that tell a process to stop."""
_ALL = (*STOPPING, signal.SIGCHLD)


class Signals:
    """A context manager, for the main thread: signals to stop, and those of children that ended, are only noted.

    SIGHUP stays ignored where it was, as by nohup(1).
    """

    def __init__(self) -> None:
        self.stops: list[int] = []
        """Those to stop, as they came."""
        self._woken, self._waker = socket.socketpair()

    def __enter__(self) -> Self:
        for each in (self._woken, self._waker):
            each.settimeout(0)
        self._wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()
        self._before = {each: signal.signal(each, _noted) for each in _ALL if each not in ignored}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._woken.close()
        self._waker.close()

    def fileno(self) -> int:
        """What can be read from when a signal came."""
        return self._woken.fileno()

    def take(self) -> None:
        """Takes in what came."""
        with suppress(BlockingIOError):
            while numbers := self._woken.recv(4096):
                self.stops += [each for each in numbers if each in STOPPING]

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """None comes until the end of the block: around a fork, so that none counts in both processes."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)

    def left_to_keeper(self) -> None:
        """In a forked process: a terminal or an init system signals the whole group, one of which says when to stop."""
        signal.set_wakeup_fd(-1)
        self._woken.close()
        self._waker.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # The others stay only noted, and not ignored: programs that are started would inherit that.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)


def _noted(_number: int, _frame: FrameType | None) -> None:
    pass


def exit_status(number: int) -> int:
    """Of a process that was ended by a signal, as shells tell it."""
    return 128 + number


def kill(pid: int) -> None:
    """SIGKILL, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

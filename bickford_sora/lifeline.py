"""What joins a process to the keeper that started it: a pipe, whose end is the process's own."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

ORPHANED = 1
"""Exit status of a process whose keeper is gone."""

Problem = tuple[str, str | None]
"""What failed, and how; None: it is over."""


class Lifeline:
    """The process's end of it. Safe to use from several threads.

    Down comes when to stop, and what failed in the other processes; up go that this one does what it is for, and what
    fails in it. When the keeper is gone the process ends at once, whatever it is at: leases and deadlines are made for
    that.
    """

    def __init__(self, pipe: Connection, hear: Callable[[str, str | None], None] = lambda _name, _error: None) -> None:
        """`hear` is told what failed elsewhere, and what of it is over."""
        self.stop = threading.Event()
        """Set when the keeper says so: what was begun is finished, and nothing new is begun."""
        self._pipe = pipe
        self._hear = hear
        self._telling = threading.Lock()

    def hold(self) -> None:
        """From now on the keeper is obeyed."""
        threading.Thread(target=self._obey, name="lifeline", daemon=True).start()

    def hear(self, hear: Callable[[str, str | None], None]) -> None:
        """From now on this is told what failed elsewhere, and what of it is over."""
        self._hear = hear

    def ready(self) -> None:
        """Tells the keeper that this process does what it is for."""
        self._tell(None)

    def tell(self, name: str, error: str) -> None:
        """Tells the keeper, and through it whoever answers for all, that something failed, and how."""
        self._tell((name, error))

    def _tell(self, told: Problem | None) -> None:
        with self._telling, suppress(OSError):
            self._pipe.send(told)

    def _obey(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                told: Problem | None = self._pipe.recv()
                if told is None:
                    self.stop.set()
                else:
                    self._hear(*told)
        os._exit(ORPHANED)

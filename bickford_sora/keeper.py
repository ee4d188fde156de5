"""The keeper: the process that holds what is listened on, and forks the others again when they die.

    keeper ──┬── fork ──► server          one program, imported once, its memory shared
             ├── fork ──► background
             └── fork ──► stand-in        only with --simulator

Everything is imported before the first fork, so that a process is there again in tenths of a second, and clients wait
that long in the queue of a socket that was never closed. The keeper itself has no threads and no connections, holds
nothing that is locked, and does next to nothing; so it can fork at any time, and has little to die of. When it does,
the others end with it, by their lifelines, and whoever started it starts all of it again.
"""

import gc
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import NoReturn

import structlog

from bickford_sora.lifeline import Lifeline, Problem
from bickford_sora.signals import Signals, exit_status, kill

RESTART_FIRST_S = 0.05
"""Pause before a process that died is started again, in seconds; it doubles with each death in a row."""
RESTART_MAX_S = 20.0
"""Longest such pause, in seconds. With the start behind it, it is over before what failed counts as past (`Watch`)."""
SETTLED_S = 5.0
"""Who was ready for longer than that, in seconds, has not died in a row."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One process that is kept going."""

    name: str
    """Where the system lets a process choose (Linux), tools such as top(1) show it behind "sora-", in 15 characters."""
    run: Callable[[Lifeline], None]
    """What it does until `Lifeline.stop` is set, in a process of its own. It says when it is ready."""
    listening: socket.socket | None = None
    """What it listens on: its own, and no other process keeps it open."""
    niceness: int = 0
    """How much it yields to the others where all want a processor (nice(2))."""


class _Kept:
    """A part and the process that is it now."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.pid: int | None = None
        self.pipe: Connection | None = None
        self.due_at: float | None = None
        """When it is to be started, in monotonic seconds; None: it runs, or is not wanted."""
        self.ready_at: float | None = None
        """When it said so, in monotonic seconds; None: it did not yet."""
        self.problem: Problem | None = None
        """What the first part is told that fails, since it died."""
        self.pause_s = RESTART_FIRST_S

    def tell(self, told: Problem | None) -> None:
        """Sends it, unless nobody is there; a process that has not read for long (SIGSTOP) is told nothing more."""
        if self.pipe is not None and _takes(self.pipe):
            with suppress(OSError):
                self.pipe.send(told)

    def let_go(self) -> None:
        """Closes our end of its lifeline."""
        if self.pipe is not None:
            self.pipe.close()
        self.pipe = None

    def pause(self) -> float:
        """How long to wait before it is started again."""
        if self.ready_at is not None and time.monotonic() - self.ready_at > SETTLED_S:
            self.pause_s = RESTART_FIRST_S
        pause_s, self.pause_s = self.pause_s, min(self.pause_s * 2, RESTART_MAX_S)
        return pause_s


class Keeper:
    """Keeps parts going. The first answers for all: the others start when it is ready, and it is told what fails there.

    Told to stop by SIGTERM, SIGINT or SIGHUP it stops one after the other, each when the one before has finished. Told
    twice it kills them, which loses nothing that was acknowledged.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        on_ready: Callable[[], None] = lambda: None,
        on_stopping: Callable[[], None] = lambda: None,
        complain: Callable[[Exception], None] | None = None,
    ) -> None:
        """`on_ready` is called once, when the first part is ready; `on_stopping` when it is told to stop.

        `complain` is told, in the process where it happened, why the first part never was ready; None: that is logged.
        """
        self._kept = [_Kept(part) for part in parts]
        self._on_ready = on_ready
        self._on_stopping = on_stopping
        self._complain = complain
        self._was_ready = False
        self._ending = False
        self._given_up: int | None = None

    def run(self) -> int:
        """Keeps them going until it is told to stop. Returns its exit status.

        A first part that ends by itself before it was ever ready is not started again: its exit status is returned.
        """
        gc.collect()
        gc.freeze()  # the collector writes into what it looks at: what it leaves alone stays shared
        with Signals() as signals:
            self._signals = signals
            self._kept[0].due_at = time.monotonic()
            while not signals.stops and self._given_up is None:
                self._turn()
            self._end()
            return self._status()

    def _status(self) -> int:
        if self._given_up is not None:
            return self._given_up
        stops = self._signals.stops
        return 0 if len(stops) < 2 else exit_status(stops[1])  # noqa: PLR2004 - told twice

    def _turn(self) -> None:
        """Waits for something to happen, and does what follows."""
        pipes = {each.pipe: each for each in self._kept if each.pipe is not None}
        for came in wait([self._signals.fileno(), *pipes], self._left_s()):
            if isinstance(came, Connection):
                self._hear(pipes[came])
        self._signals.take()
        self._reap()
        for each in self._kept:
            if each.due_at is not None and each.due_at <= time.monotonic():
                self._start(each)

    def _left_s(self) -> float | None:
        """Until the next is to be started, in seconds; None: nobody is."""
        due = [each.due_at for each in self._kept if each.due_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _hear(self, kept: _Kept) -> None:
        """Takes in what a process said."""
        try:
            while kept.pipe is not None and kept.pipe.poll():
                told: Problem | None = kept.pipe.recv()
                if told is None:
                    self._is_ready(kept)
                else:
                    self._kept[0].tell(told)
        except (EOFError, OSError):  # it has ended, or is about to
            kept.let_go()

    def _is_ready(self, kept: _Kept) -> None:
        kept.ready_at = time.monotonic()
        first, *others = self._kept
        if kept.problem is not None:
            first.tell((kept.problem[0], None))
            kept.problem = None
        if kept is not first:
            return
        for each in others:
            if each.problem is not None:  # one that was started again has heard nothing yet
                first.tell(each.problem)
        if not self._was_ready and not self._ending:
            self._was_ready = True
            for each in others:
                each.due_at = time.monotonic()
            self._on_ready()

    def _reap(self) -> None:
        """Waits for those that ended; as the first process of a container also for those nobody else waits for."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                for each in self._kept:
                    if each.pid == ended[0]:
                        self._died(each, os.waitstatus_to_exitcode(ended[1]))

    def _died(self, kept: _Kept, status: int) -> None:
        self._hear(kept)  # what it said last
        kept.let_go()
        kept.pid = None
        if self._ending:
            return
        if not self._was_ready and status > 0:
            self._given_up = status
            return
        pause_s = kept.pause()
        kept.due_at = time.monotonic() + pause_s
        log.error("process_died", process=kept.part.name, status=status, again_in_s=pause_s)
        kept.problem = f"{kept.part.name} process", f"exit status {status}"
        self._kept[0].tell(kept.problem)

    def _start(self, kept: _Kept) -> None:
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()  # or both processes would write what is held
        kept.due_at, kept.ready_at = None, None
        with self._signals.held_back():
            pid = os.fork()
            if pid == 0:
                self._be(kept, ours, theirs)
        theirs.close()
        kept.pid, kept.pipe = pid, ours

    def _end(self) -> None:
        """Stops what runs, in the order of the parts."""
        self._ending = True
        for each in self._kept:
            each.due_at = None
            if each.part.listening is not None:
                each.part.listening.close()  # or clients would queue up before nobody
        if self._given_up is None:
            self._on_stopping()
        for each in self._kept:
            each.tell(None)
            while each.pid is not None:
                if each.ready_at is None or len(self._signals.stops) > 1:
                    kill(each.pid)  # of what is not ready nothing was begun
                self._turn()

    def _be(self, kept: _Kept, ours: Connection, theirs: Connection) -> NoReturn:
        """The process: ends with status 0 when it was told to stop, and at once when the keeper is gone."""
        status = 1
        try:
            self._leave_keeper(kept, ours)
            lifeline = Lifeline(theirs)
            lifeline.hold()
            kept.part.run(lifeline)
            status = 0
        except Exception as error:
            if self._complain is not None and not self._was_ready:
                self._complain(error)
            else:
                log.exception("process_failed", process=kept.part.name)
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)  # what is on the keeper's stack is not ours to clean up

    def _leave_keeper(self, kept: _Kept, ours: Connection) -> None:
        """Lets go of what is the keeper's, or another part's: an end of a pipe that two hold would never be seen."""
        self._signals.left_to_keeper()
        ours.close()
        for each in self._kept:
            if each.pipe is not None:
                each.pipe.close()
            if each.part.listening is not None and each is not kept:
                each.part.listening.close()
        os.nice(kept.part.niceness)
        with suppress(OSError):
            Path("/proc/self/comm").write_text(f"sora-{kept.part.name}", "utf-8")


def _takes(pipe: Connection) -> bool:
    """Whether a message can be sent without waiting."""
    return bool(select.select([], [pipe], [], 0)[1])

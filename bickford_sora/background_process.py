"""The background in a process of its own, so that requests never wait for the interpreter behind it.

    server ── fork ──► keeper ── fork ──► background      one program, imported once, its memory shared
       └──── pipe ──────┴─────────────────────┘           down: the renderers, and when to stop; up: what failed

The server forks the keeper before it has threads. The keeper never has any, so it can fork again whenever the
background has died. Both end with the server, however that ends: its end of the pipe is then closed.
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import NoReturn

import structlog

from bickford_sora.settings import RendererSettings
from bickford_sora.workers.watch import Watch

NICENESS = 5
"""How much the background yields to the server where both want a processor (nice(2))."""
RESTART_FIRST_S = 0.5
"""Pause before a background that died is started again, in seconds; it doubles with each death in a row."""
RESTART_MAX_S = 30.0
"""Longest such pause, in seconds. Who lived longer than that has not died in a row."""
NAME = "background process"

log = structlog.get_logger(__name__)

Run = Callable[[Sequence[RendererSettings], threading.Event, Watch], None]
"""What the background does, with these renderers, until the event is set. The watch is told of what fails."""


class BackgroundProcess:
    """The background of a server, kept going in a process of its own. Made before the server has threads."""

    def __init__(self, run: Run) -> None:
        """Forks the keeper, which waits."""
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()  # or both processes would write what is held
        gc.collect()
        gc.freeze()  # the collector writes into what it looks at: what it leaves alone stays shared
        self._keeper = os.fork()
        if self._keeper == 0:
            ours.close()
            _keep(theirs, run)
        theirs.close()
        self._pipe = ours
        self._stopping = False

    @contextmanager
    def running(self, renderers: Sequence[RendererSettings], watch: Watch) -> Iterator[None]:
        """Runs the background with these renderers; in the end it finishes what it had begun.

        `watch` is told of what fails there. For once.
        """
        self._pipe.send(tuple(renderers))
        listening = threading.Thread(target=self._listen, args=(watch,), name="background-listener", daemon=True)
        listening.start()
        try:
            yield
        finally:
            self._stopping = True
            with suppress(OSError):
                self._pipe.send(None)
                self._pipe.send(None)  # the background takes one; should it die over it, its keeper finds the other
            listening.join()
            self._pipe.close()
            os.waitpid(self._keeper, 0)

    def _listen(self, watch: Watch) -> None:
        """Until neither the background nor its keeper is there any more."""
        with suppress(EOFError, OSError):
            while True:
                name, error = self._pipe.recv()
                watch.note(name, error)
        if not self._stopping:
            log.error("background_process_gone")
            watch.note(NAME, "it is gone, and so is who would start it again", for_s=float("inf"))


def _keep(pipe: Connection, run: Run) -> NoReturn:
    """The keeper: starts the background, again whenever it has died, until the server says stop or is gone."""
    _leave_signals_to_server()
    with suppress(EOFError, OSError):
        renderers, pause_s = pipe.recv(), RESTART_FIRST_S
        while renderers is not None:
            began = time.monotonic()
            background = os.fork()
            if background == 0:
                _be(pipe, run, renderers)
            status = os.waitstatus_to_exitcode(os.waitpid(background, 0)[1])
            if time.monotonic() - began > RESTART_MAX_S:
                pause_s = RESTART_FIRST_S
            if status == 0 or pipe.poll(pause_s):  # it was told to stop, or is now, or nobody is left to tell
                break
            log.error("background_process_died", status=status)
            pipe.send((NAME, f"exit status {status}"))
            pause_s = min(pause_s * 2, RESTART_MAX_S)
    os._exit(0)


def _be(pipe: Connection, run: Run, renderers: Sequence[RendererSettings]) -> NoReturn:
    """The background: ends with status 0 when it was told to stop, and at once when the server is gone."""
    os.nice(NICENESS)
    stop, telling = threading.Event(), threading.Lock()

    def tell(name: str, error: str) -> None:
        with telling, suppress(OSError):
            pipe.send((name, error))

    def obey() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os._exit(1)  # as if we had been one process. Leases and deadlines are made for that.
        stop.set()

    status = 1
    try:
        threading.Thread(target=obey, name="server", daemon=True).start()
        run(renderers, stop, Watch(tell))
        status = 0
    except Exception:
        log.exception("background_process_failed")
    finally:
        os._exit(status)  # what is on the server's stack is not ours to clean up


def _leave_signals_to_server() -> None:
    """A terminal or an init system signals the whole group; the server alone says when to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # not ignored: programs that are started would inherit that

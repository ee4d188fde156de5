"""Which background threads work, for whoever asks whether this process is ready."""

import threading
import time
from collections.abc import Callable

import structlog

RESTART_S = 2.0
"""Pause before a thread that failed goes on, in seconds."""
FAILED_FOR_S = 30.0
"""How long a failure counts as a problem, in seconds. One that comes back stays one."""

log = structlog.get_logger(__name__)


class Watch:
    """Keeps background work going and remembers what failed. Safe to use from several threads."""

    def __init__(self, tell: Callable[[str, str], None] = lambda _name, _error: None) -> None:
        """`tell` is told of each failure too: what failed, and how."""
        self._tell = tell
        self._lock = threading.Lock()
        self._failed: dict[str, tuple[str, float]] = {}

    def keep(self, name: str, run: Callable[[threading.Event], None], stop: threading.Event) -> None:
        """Runs `run(stop)`, again after each failure, until `stop` is set.

        What failed last is run once more then: it has to finish what it has begun. Of failures that are the same in a
        row the first one is logged with where it was.
        """
        said, until = "", 0.0
        goes_on = not stop.is_set()
        while goes_on:
            is_ending, goes_on = stop.is_set(), False
            try:
                run(stop)
            except Exception as error:  # whatever it was: a thread that ends in silence would be worse
                before, said = said, f"{type(error).__name__}: {error}"
                is_known = said == before and time.monotonic() < until
                until = time.monotonic() + FAILED_FOR_S
                log.exception("background_failed", thread=name, error=said, exc_info=not is_known)
                self.note(name, type(error).__name__)
                stop.wait(RESTART_S)
                goes_on = not is_ending
            except BaseException as error:
                self.note(name, type(error).__name__, for_s=float("inf"))
                raise

    def note(self, name: str, error: str, *, for_s: float | None = None) -> None:
        """Remembers that something failed, and how, for so many seconds (None: `FAILED_FOR_S`)."""
        with self._lock:
            self._failed[name] = (error, time.monotonic() + (FAILED_FOR_S if for_s is None else for_s))
        self._tell(name, error)

    def hear(self, name: str, error: str | None) -> None:
        """What another process tells: that something failed, and how, or (None) that it is over."""
        if error is not None:
            self.note(name, error)
            return
        with self._lock:
            self._failed.pop(name, None)

    def problems(self) -> list[str]:
        """What failed lately, in words for an operator."""
        now = time.monotonic()
        with self._lock:
            return [f"the {name} failed: {error}" for name, (error, until) in self._failed.items() if until > now]

"""Following the ledger: every event once, in order, through restarts of the server.

A wake-up is only a hint. The follower listens before it reads, reads again after each wake-up, and reads every
`poll_s` seconds whether it was woken or not; so a missed wake-up costs seconds and never an event.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Protocol

import psycopg
import structlog

from ledger.application import Ledger
from ledger.envelope import Event
from ledger.errors import Corrupt, Unavailable
from ledger.keepalives import CONNECT_TIMEOUT_S
from ledger.silence import HeedfulConnection, connect

POLL_S = 1.0
"""Longest time between two reads, in seconds."""
STOP_LOOK_S = 0.2
"""How often a waiting follower looks whether it is to stop, in seconds."""
BATCH_EVENTS_MAX = 2_000
BACKOFF_S = 0.2
"""Pause after the database did not answer, in seconds."""

log = structlog.get_logger(__name__)


class Bell(Protocol):
    """Rings when something was appended. It may ring for nothing, and may miss; it never raises."""

    def wait(self, timeout_s: float) -> None:
        """Returns at the next ring, or after `timeout_s`."""

    def close(self) -> None:
        """Lets go of what it holds."""


class PostgresBell:
    """LISTENs on a connection of its own and reconnects by itself."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        self._url = url
        self._stop = stop
        self._connection: HeedfulConnection | None = None

    def wait(self, timeout_s: float) -> None:
        """Returns at the next NOTIFY, or after `timeout_s`. The first call only starts to listen."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._url, silence_s_max=CONNECT_TIMEOUT_S)
                self._connection.execute("listen ledger")
                self._connection.silence_s_max = None  # from here on there is silence while nothing is appended
                return  # what was appended before LISTEN took hold is read now, not waited for
            deadline = monotonic() + timeout_s
            while not self._stop.is_set() and (left := deadline - monotonic()) > 0:
                for _ in self._connection.notifies(timeout=min(left, STOP_LOOK_S), stop_after=1):
                    return
        except psycopg.Error:
            self.close()
            self._stop.wait(BACKOFF_S)

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PollingBell:
    """Rings by time alone."""

    def __init__(self, stop: threading.Event, interval_s: float = 0.05) -> None:
        self._stop = stop
        self._interval_s = interval_s

    def wait(self, timeout_s: float) -> None:
        """Returns after the interval."""
        self._stop.wait(min(timeout_s, self._interval_s))

    def close(self) -> None:
        """Nothing is held."""


def follow(
    ledger: Ledger, bell: Bell, stop: threading.Event, *, after: int, poll_s: float = POLL_S
) -> Iterator[Sequence[Event]]:
    """Batches of events behind position `after`, in order and without gaps, until `stop` is set.

    An empty batch is given when there was nothing new, so that the caller can do what it does between events. Raises
    Corrupt when a stored event does not validate or a position is missing; an unreachable database is waited for.
    """
    try:
        while not stop.is_set():
            try:
                batch = ledger.read(after, limit=BATCH_EVENTS_MAX)
            except Unavailable:
                log.warning("ledger_unavailable", after=after)
                stop.wait(BACKOFF_S)
                continue
            if batch:
                after = _last_position(batch, after)
            yield batch
            if not batch:
                bell.wait(poll_s)
    finally:
        bell.close()


def keep_up(
    step: Callable[[], int],
    stop: threading.Event,
    bell: Bell,
    *,
    waits: str,
    batch_max: int = BATCH_EVENTS_MAX,
    pace_s: float = 0.0,
) -> None:
    """Calls `step` until `stop` is set: it takes in a batch and returns how many events that had.

    Behind a batch of fewer than `batch_max` it pauses for `pace_s`, so that those that come one by one are taken in
    together; behind an empty one it waits for the bell. A database that does not answer is waited for, and logged as
    `waits`.
    """
    while not stop.is_set():
        try:
            events = step()
        except Unavailable as error:
            log.warning(waits, code=error.code)
            stop.wait(BACKOFF_S)
            continue
        if not events:
            bell.wait(POLL_S)
        elif events < batch_max:
            stop.wait(pace_s)


def _last_position(batch: Sequence[Event], after: int) -> int:
    """The last position of a batch that must follow `after` densely."""
    last = batch[-1].position or 0
    if last != after + len(batch):
        raise Corrupt(f"positions {after + 1} to {last} have a gap")
    return last

"""Waiting for clients: for a request to be there, and for its answer to be read, so long and no longer."""

from collections.abc import Iterable
from typing import NamedTuple

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from bickford_sora.http.heads import BoundedHeads

HEAD_WAIT_S = 30.0
"""How long a new connection may send nothing, and the head of a request may take, in seconds (408, RFC 9110 section
15.5.9). What is left of a body that was answered early may come in pieces as far apart."""
READ_SILENCE_S = 60.0
"""How long whoever is answered may take nothing of it, in seconds; then it and its connection are ended.

The system tells of room when a third of its buffer is empty, of some megabytes: who takes 30 kB/s is not cut off.
"""
LOOK_S = 1.0
"""How often connections are looked at, in seconds. A timer for each request would cost more than that."""
LOOK_MIN_S = 0.1
"""The server looks no more often than it looks whether to stop."""

log = structlog.get_logger(__name__)


class Patience(NamedTuple):
    """How long clients are waited for, in seconds."""

    head_wait_s: float = HEAD_WAIT_S
    read_silence_s: float = READ_SILENCE_S
    look_s: float = LOOK_S


class Looker:
    """Looks at connections from time to time.

    It counts the time in which somebody looked. While a process stands still, paused or on a machine that is moved,
    nobody waits for clients: what they did meanwhile is not read yet.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._looked_at = 0.0
        self._waited_s = 0.0

    def look(self, now: float, connections: Iterable[object]) -> None:
        """Looks, where it is time to; `now` by the monotonic clock."""
        since_s = now - self._looked_at
        if since_s < self._patience.look_s:
            return
        self._looked_at = now
        self._waited_s += min(since_s, 2 * max(self._patience.look_s, LOOK_MIN_S))
        for each in connections:
            if isinstance(each, BoundedWaits):
                each.look(self._waited_s, self._patience)


class BoundedWaits(BoundedHeads):
    """Ends its connection when the client keeps it waiting. For whoever holds the connections and looks at them."""

    _answering: RequestResponseCycle | None = None
    """The request that is answered now. `cycle` is the one that came last."""
    _is_within_message = False
    """Whether a request has begun to come, and is not over."""
    _unheard_since: float | None = None
    _unread_since: float | None = None
    _unread_bytes = 0

    def on_message_begin(self) -> None:
        """Called by the parser before a request."""
        super().on_message_begin()
        self._is_within_message = True
        self._unheard_since = None

    def begin(self) -> None:
        """A head is there, and its request is not taken as a whole."""
        super().begin()
        if not self.pipeline or self.pipeline[0][0] is not self.cycle:
            self._answering = self.cycle

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each piece of a body."""
        super().on_body(body)
        self._unheard_since = None

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        super().on_message_complete()
        self._is_within_message = False

    def on_response_complete(self) -> None:
        """An answer was given, and the next request of the connection has its turn."""
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the request that is answered, also where others came behind it."""
        super().connection_lost(exc)
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def resume_writing(self) -> None:
        """Called by the transport when there is room again for an answer."""
        super().resume_writing()
        self._unread_since = None

    def look(self, now_s: float, patience: Patience) -> None:
        """Ends the connection if it has waited for too long. `now_s` is monotonic, from one look to the next."""
        if self._unread_s(now_s) > patience.read_silence_s:
            log.warning("reader_stalled", silence_s=patience.read_silence_s)
            self.transport.abort()  # closed, it would wait for what nobody reads, and hold up a stop
        elif self._unheard_s(now_s) > patience.head_wait_s:
            log.info("head_timeout", wait_s=patience.head_wait_s)
            if self._unended_bytes and not self._head_is_over:
                self.transport.write(_TIMEOUT)
            self.transport.close()

    def _unread_s(self, now_s: float) -> float:
        """How long nothing was taken of what there is to send."""
        left_bytes = self.transport.get_write_buffer_size()
        if self._unread_since is None or left_bytes < self._unread_bytes:
            self._unread_since = now_s
        self._unread_bytes = left_bytes
        if not left_bytes:
            self._unread_since = None
        return 0.0 if self._unread_since is None else now_s - self._unread_since

    def _unheard_s(self, now_s: float) -> float:
        """How long the client was to go on, where it is not being answered. One that is idle has a timer of its own."""
        is_answered = self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing() or not is_answered or self.timeout_keep_alive_task is not None:
            self._unheard_since = None
        elif self.cycle is not None and not self._is_within_message:
            # What came behind an answer has stopped the timer, and began no request: its own end, or an empty line.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        elif self._unheard_since is None:
            self._unheard_since = now_s
        return 0.0 if self._unheard_since is None else now_s - self._unheard_since


_TIMEOUT = STATUS_LINE[408] + b"content-length: 0\r\nconnection: close\r\n\r\n"

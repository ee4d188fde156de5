"""Waiting for clients: for a request to be there, and for its answer to be read, so long and no longer."""

from typing import NamedTuple

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

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

log = structlog.get_logger(__name__)


class Patience(NamedTuple):
    """How long clients are waited for, in seconds."""

    head_wait_s: float = HEAD_WAIT_S
    read_silence_s: float = READ_SILENCE_S
    look_s: float = LOOK_S


class BoundedWaits(BoundedHeads):
    """Ends its connection when the client keeps it waiting. For whoever holds the connections and looks at them."""

    _unheard_since: float | None = None
    _unread_since: float | None = None
    _unread_bytes = 0

    def on_message_begin(self) -> None:
        """Called by the parser before a request."""
        super().on_message_begin()
        self._unheard_since = None

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each piece of a body."""
        super().on_body(body)
        self._unheard_since = None

    def resume_writing(self) -> None:
        """Called by the transport when there is room again for an answer."""
        super().resume_writing()
        self._unread_since = None

    def look(self, now_s: float, patience: Patience) -> None:
        """Ends the connection if it has waited for too long. `now_s` is monotonic, from one look to the next."""
        if self._unread_s(now_s) > patience.read_silence_s:
            log.info("reader_stalled", silence_s=patience.read_silence_s)
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
        elif self._unheard_since is None:
            self._unheard_since = now_s
        return 0.0 if self._unheard_since is None else now_s - self._unheard_since


_TIMEOUT = STATUS_LINE[408] + b"content-length: 0\r\nconnection: close\r\n\r\n"

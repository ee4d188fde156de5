"""Requests that came whole, and are taken without what the server does for others.

A request that is read piece by piece needs a task that waits for the pieces, a way to tell it of them, and a way back.
One that came whole, head and body in one read, with nothing before it on its connection, needs none of that: it is
offered to the application's `Taker`, and answered by a call. What nobody takes goes the ordinary way, as if it had not
been offered.
"""

from collections.abc import Iterable
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bickford_sora.http.waits import BoundedWaits

_METHOD = b"POST"
_VERSION = "1.1"


class Taker(Protocol):
    """Answers some requests that came whole. In the application's state, as `taker`."""

    body_bytes_max: int
    """Longest body that it takes. A longer one is not gathered for it."""

    def wants(self, url: bytes, /) -> bool:
        """Whether a POST to this path may be taken. Asked for every POST."""

    def take(self, request: "WholeRequest", /) -> bool:
        """Whether the request is taken: it is answered by `WholeRequest.answer`, now or later, and once."""


class _Nobody:
    """Whom the server wakes where somebody waits for the rest of a request."""

    def set(self) -> None:
        """Nobody waits."""


class WholeRequest:
    """A request that came whole. To the server it is what is being answered on its connection."""

    __slots__ = ("_protocol", "body", "disconnected", "headers", "keep_alive", "response_complete", "url")

    message_event = _Nobody()

    def __init__(self, protocol: "WholeRequests", body: bytes) -> None:
        self._protocol = protocol
        self.url = protocol.url
        self.headers = protocol.headers
        """Names in lower case."""
        self.body = body
        self.keep_alive = protocol.parser.should_keep_alive()
        self.disconnected = False
        """Whether its client is gone."""
        self.response_complete = False

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Sends an answer to who is still there; `head` as `written` makes it."""
        # A connection that is ending takes nothing any more. Who is told of its end is whoever came last on it.
        if self.disconnected or self._protocol.transport.is_closing():
            return
        self.response_complete = True
        self._protocol.send_whole(status, head, body, keep_alive=self.keep_alive)


class WholeRequests(BoundedWaits):
    """Reads requests off a connection, and offers those that came whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taker: Taker | None = getattr(getattr(self.app, "state", None), "taker", None)
        self._body: bytearray | None = None
        """What is there of the body of a request that may be taken; None: it goes the ordinary way."""

    def data_received(self, data: bytes) -> None:
        """Parses what came. What is not whole now goes the ordinary way."""
        super().data_received(data)
        if self._body is not None:
            body, self._body = self._body, None
            if not self.transport.is_closing():
                self._go_ordinary_way(body)

    def begin(self) -> None:
        """A head is there."""
        if self._taker is not None and self.parser.get_method() == _METHOD and self._may_be_taken(self._taker):
            self._body = bytearray()
        else:
            super().begin()

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each piece of a body."""
        if self._body is None:
            super().on_body(body)
            return
        self._body += body
        if len(self._body) > cast("Taker", self._taker).body_bytes_max:
            begun, self._body = self._body, None
            self._go_ordinary_way(begun)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        if self._body is None:
            super().on_message_complete()
            return
        body, self._body = self._body, None
        self._is_within_message = False
        before, request = self.cycle, WholeRequest(self, bytes(body))
        self.cycle = cast("Any", request)  # what comes behind it on this connection waits for it
        if not cast("Taker", self._taker).take(request):
            self.cycle = before
            self._go_ordinary_way(body)
            super().on_message_complete()

    def send_whole(self, status: int, head: bytes, body: bytes, *, keep_alive: bool) -> None:
        """Sends the answer to the request that was taken, and goes on to what came behind it."""
        defaults = written(self.server_state.default_headers)  # the date alone: it moves every second
        ending = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], defaults, head, ending, body)))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _may_be_taken(self, taker: Taker) -> bool:
        """Whether this could be one, by its head: it waits for nothing, and its client for nothing before its body."""
        return (
            taker.wants(self.url)
            and (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and not self.parser.should_upgrade()
            and self.parser.get_http_version() == _VERSION
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )

    def _go_ordinary_way(self, body: bytearray) -> None:
        super().begin()
        if body:
            super().on_body(bytes(body))


def written(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])

"""Reading requests off a connection: uvicorn's fast parser, with a limit on what comes before a body."""

import sys

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
"""Largest request line and headers together. Beyond it the parser holds what came in one read, and no more."""


PIPELINED_MAX = 16
"""Requests of one connection that wait behind the one that is answered."""


class BoundedHeads(HttpToolsProtocol):
    """Refuses a request whose line and headers are too large or do not end, with 400 and the end of the connection.

    The parser itself keeps what it was sent of a header until the header is whole, however much that is.
    """

    _unended_bytes = 0
    """What came since a head or a piece of a body ended."""
    _head_is_over = False
    _arrived = b""
    """What is parsed now."""

    def data_received(self, data: bytes) -> None:
        """Parses what came."""
        self._unended_bytes += len(data)
        self._arrived = data
        super().data_received(data)
        self._arrived = b""  # a connection that waits keeps nothing
        if self._unended_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The headers of the request are too large.")

    def _unsupported_upgrade_warning(self) -> None:
        """Called by the server where the parser stopped behind a head that wishes for another protocol.

        There is none here, so what came behind it is the next request. Left out, that would never be answered, and
        what comes of it later would be read as a request of its own.
        """
        stopped = sys.exception()
        assert isinstance(stopped, httptools.HttpParserUpgrade)  # noqa: S101 - as the server calls it
        behind = self._arrived[stopped.args[0] :]
        if behind and not self.transport.is_closing():
            self._unended_bytes -= len(behind)  # counted when it came
            self.data_received(behind)

    def on_message_begin(self) -> None:
        """Called by the parser before a request."""
        super().on_message_begin()
        self._head_is_over = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header, and for each trailer of a body in chunks: those are not taken."""
        if not self._head_is_over:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head. What it raises makes the request an invalid one."""
        self._head_is_over = True
        if len(self.pipeline) >= PIPELINED_MAX:
            raise httptools.HttpParserError("too many requests wait on this connection")
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX:
            raise httptools.HttpParserError("the headers are too large")
        if self.parser.should_upgrade() and any(_announces_body(*each) for each in self.headers):
            # The parser takes what is behind such a head for another protocol, or for the next request.
            raise httptools.HttpParserError("a request to change the protocol has no body here")
        self.begin()
        self._unended_bytes = 0

    def begin(self) -> None:
        """A head is there, and within the limits: its request begins."""
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each piece of a body."""
        super().on_body(body)
        self._unended_bytes = 0

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        super().on_message_complete()
        self._unended_bytes = 0


def _announces_body(name: bytes, value: bytes) -> bool:
    """Whether a header says that a body follows. Names are in lower case."""
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")

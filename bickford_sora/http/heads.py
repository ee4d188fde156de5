"""Reading requests off a connection: uvicorn's fast parser, with a limit on what comes before a body."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
"""Largest request line and headers together. Beyond it the parser holds what came in one read, and no more."""


class BoundedHeads(HttpToolsProtocol):
    """Refuses a request whose line and headers are too large or do not end, with 400 and the end of the connection.

    The parser itself keeps what it was sent of a header until the header is whole, however much that is.
    """

    _unended_bytes = 0
    """What came since a head or a piece of a body ended."""

    def data_received(self, data: bytes) -> None:
        """Parses what came."""
        self._unended_bytes += len(data)
        super().data_received(data)
        if self._unended_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The headers of the request are too large.")

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head. What it raises makes the request an invalid one."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX:
            raise httptools.HttpParserError("the headers are too large")
        super().on_headers_complete()
        self._unended_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each piece of a body."""
        super().on_body(body)
        self._unended_bytes = 0

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        super().on_message_complete()
        self._unended_bytes = 0

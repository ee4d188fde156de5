"""Breaking a TCP connection on purpose. ASGI has no word for it, so the transport is handed down as an extension."""

import asyncio
import socket
import struct

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "bickford_sora.simulator.transport"
# l_onoff = 1, l_linger = 0: closing sends RST and drops what was not sent yet (socket(7), SO_LINGER)
_LINGER_RESET = struct.pack("ii", 1, 0)


class BreakableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol that lets the application reach its transport."""

    def on_message_begin(self) -> None:
        """Start a request; its scope carries the transport."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


class ConnectionReset(Response):
    """Answers with a TCP reset: the client sees its connection break, not a status."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Reset the connection, then wait until the server has noticed."""
        transport = _transport(scope)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()
        await _until_disconnected(receive)


class TruncatedResponse(Response):
    """Promises the whole body in Content-Length, sends half of it and closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers and the first half, then close."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        _transport(scope).close()
        await _until_disconnected(receive)


def _transport(scope: Scope) -> asyncio.Transport:
    extension = scope.get("extensions", {}).get(_EXTENSION)
    if extension is None:
        raise RuntimeError("only a SimulatorServer can break connections: serve the app with BreakableProtocol")
    transport: asyncio.Transport = extension["transport"]
    return transport


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

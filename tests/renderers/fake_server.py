"""A server of scripted bytes: for what no well-behaved HTTP server can be made to say."""

import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

ACCEPT_TIMEOUT_S = 0.005
READ_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Reply:
    """What one connection gets: pieces of bytes with a pause before each, then a close or a reset."""

    pieces: Sequence[bytes] = ()
    pause_s: float = 0.0
    reset: bool = False
    read_request: bool = True


def http(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """A whole HTTP/1.1 answer; `length` overrides the Content-Length that is promised."""
    lines = [f"HTTP/1.1 {status} Scripted", f"content-length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


def answering(status: int, body: object = None, **headers: str) -> Reply:
    """A whole answer; anything but bytes goes as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Reply([http(status, content, **headers)])


class FakeServer:
    """Gives each connection the next reply, the last one for ever, and keeps the requests it read."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(ACCEPT_TIMEOUT_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake-server", daemon=True)
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(READ_TIMEOUT_S)
        self._listening.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        connection.settimeout(READ_TIMEOUT_S)
        try:
            if reply.read_request:
                self.requests.append(_read_request(connection))
            for piece in reply.pieces:
                self._stopping.wait(reply.pause_s)
                connection.sendall(piece)
            if not reply.pieces:
                self._stopping.wait(reply.pause_s)
            if reply.reset:
                # closing with a linger of zero sends RST (socket(7), SO_LINGER)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return  # the client went away first, as it should when it loses patience


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    deadline = time.monotonic() + READ_TIMEOUT_S
    while time.monotonic() < deadline:
        head, end, body = received.partition(b"\r\n\r\n")
        if end and len(body) >= _content_length(head):
            break
        piece = connection.recv(65_536)
        if not piece:
            break
        received += piece
    return received


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def unused_url() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

"""A pooler of transactions, as small as one can be: every client's statements go through one session."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

OK = b"R" + struct.pack("!ii", 8, 0)
KEY_DATA = b"K" + struct.pack("!iii", 12, 1, 1)
"""The process id it tells clients is of its own making, as PgBouncer's is."""
READY = b"Z" + struct.pack("!ic", 5, b"I")
SETTINGS = {"server_version": "18.4", "client_encoding": "UTF8", "standard_conforming_strings": "on"}


def _read(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        chunk = connection.recv(size - len(content))
        if not chunk:
            raise ConnectionError
        content += chunk
    return content


def message_of(connection: socket.socket) -> tuple[bytes, bytes]:
    """The next message: its kind, and all of it."""
    kind = _read(connection, 1)
    length = _read(connection, 4)
    return kind, kind + length + _read(connection, struct.unpack("!i", length)[0] - 4)


class _Pooler:
    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._turn = threading.Lock()

    def serve(self, client: socket.socket) -> None:
        with closing(client), suppress(ConnectionError, OSError):
            welcome(client)
            while True:
                kind, message = message_of(client)
                if kind == b"X":
                    return
                with self._turn:
                    self._server.sendall(message)
                    while True:
                        kind, answer = message_of(self._server)
                        client.sendall(answer)
                        if kind == b"Z":
                            break


def welcome(client: socket.socket) -> None:
    """Lets a client in that asks for it without encryption."""
    _read(client, struct.unpack("!i", _read(client, 4))[0] - 4)
    client.sendall(OK + _settings() + KEY_DATA + READY)


def _settings() -> bytes:
    told = b""
    for name, value in SETTINGS.items():
        body = f"{name}\0{value}\0".encode()
        told += b"S" + struct.pack("!i", len(body) + 4) + body
    return told


@contextmanager
def pooler(socket_path: str, user: str, database: str) -> Iterator[int]:
    """The port it listens on, in front of the server behind a Unix socket that asks for no password."""
    with closing(socket.socket(socket.AF_UNIX)) as server, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server.connect(socket_path)
        start = struct.pack("!i", 196_608) + f"user\0{user}\0database\0{database}\0\0".encode()
        server.sendall(struct.pack("!i", len(start) + 4) + start)
        while message_of(server)[0] != b"Z":
            pass
        running = _Pooler(server)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=running.serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)

"""A server that lets everybody in, and then hangs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from tests.doctor.pooler import welcome


@contextmanager
def silent_server() -> Iterator[str]:
    """Its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        clients: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    clients.append(client)
                    welcome(client)

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        yield f"host=127.0.0.1 port={port} user=nobody dbname=nothing sslmode=disable gssencmode=disable"
        listener.shutdown(socket.SHUT_RDWR)
        for each in clients:
            each.close()

"""A pooler of sessions: each client has its own, and is told twice when it ends: by the server and by the pooler.

PgBouncer passes on a server's last words, and adds its own.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.doctor.pooler import message_of, welcome

_FIELDS = b"SFATAL\0C08P01\0Mserver conn crashed?\0\0"
OWN_WORDS = b"E" + struct.pack("!i", len(_FIELDS) + 4) + _FIELDS


def _passed_on(server: socket.socket, client: socket.socket) -> None:
    with closing(client), closing(server), suppress(OSError):
        with suppress(ConnectionError):
            while True:
                client.sendall(message_of(server)[1])
        client.sendall(OWN_WORDS)


def _serve(client: socket.socket, server_path: str, start: bytes) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server, suppress(ConnectionError, OSError):
        server.connect(server_path)
        server.sendall(struct.pack("!i", len(start) + 4) + start)
        while message_of(server)[0] != b"Z":
            pass
        welcome(client)
        threading.Thread(target=_passed_on, args=(server, client), daemon=True).start()
        while content := client.recv(65_536):
            server.sendall(content)
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def pooler_of_sessions(url: str) -> Iterator[str]:
    """Its address, in front of a server behind a Unix socket that asks for no password."""
    place = conninfo_to_dict(url)
    start = struct.pack("!i", 196_608) + f"user\0{place['user']}\0database\0{place['dbname']}\0\0".encode()
    path = f"{place['host']}/.s.PGSQL.{place['port']}"
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_serve, args=(client, path, start), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        yield make_conninfo(url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        listener.shutdown(socket.SHUT_RDWR)

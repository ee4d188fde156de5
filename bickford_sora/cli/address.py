"""Where a server says that it is, for commands on the same machine."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from bickford_sora.client.connection import serve_file

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # nosec  # noqa: S104 - what to call ourselves when we listen there
"""Addresses that mean every interface, and the one that reaches us from this machine."""


def reachable(listening_url: str) -> str:
    """The server's address as it is reached from this machine."""
    parts = urlsplit(listening_url)
    host = EVERYWHERE.get(parts.hostname or "")
    return f"http://{host}:{parts.port}" if host else listening_url


@contextmanager
def address_left(data_dir: Path, base_url: str) -> Iterator[None]:
    """Tells commands on this machine where we are, for as long as we are there."""
    left = serve_file(data_dir)
    other = _other_server(left)
    content = json.dumps({"base_url": base_url, "pid": os.getpid()})
    left.write_text(content, "utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            if left.read_text("utf-8") == content:  # another server may have started on this folder since
                left.unlink()
                if other is not None and _other_server_runs(other):
                    left.write_text(other, "utf-8")


def _other_server(left: Path) -> str | None:
    """What a server that started on this folder before us has left there."""
    with suppress(OSError, UnicodeDecodeError):
        return left.read_text("utf-8")
    return None


def _other_server_runs(content: str) -> bool:
    with suppress(ValueError, KeyError, TypeError, ProcessLookupError):
        os.kill(int(json.loads(content)["pid"]), 0)
        return True
    return False

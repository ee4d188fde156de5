"""Which server a client talks to, and with which key: what is named in the environment, else what runs here.

A server started by `bickford-sora serve` leaves two files in its data folder: `serve.json` with its address, and
`keys/api.key`. The key is only ever sent to a server on this machine.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from bickford_sora.client.errors import SoraVideoUnauthorized
from bickford_sora.settings import ClientSettings

DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"


@dataclass(frozen=True, slots=True)
class Connection:
    """A server's base URL, ending in `/v1`, and an API key of it."""

    base_url: str
    api_key: SecretStr


def default_connection(base_url: str | None = None) -> Connection:
    """The server at `base_url`, or else the one the environment names, or else the one that runs here.

    Raises SoraVideoUnauthorized when no API key is known.
    """
    settings = ClientSettings()
    url = (base_url or settings.base_url or running_here(settings.data_dir) or DEFAULT_BASE_URL).rstrip("/")
    key = settings.api_key or (_key_made_here(settings.data_dir) if _is_here(url) else None)
    if key is None:
        raise SoraVideoUnauthorized(
            f"No API key for {url}. Set BICKFORD_API_KEY, or start a server here with 'bickford-sora serve'.",
            code="api_key_missing",
        )
    return Connection(url, key)


def serve_file(data_dir: Path) -> Path:
    """Where a running server leaves its address."""
    return data_dir / "serve.json"


def running_here(data_dir: Path) -> str | None:
    """The base URL of the server that runs on this data folder, None when there is no trace of one."""
    with suppress(OSError, ValueError):
        left = json.loads(serve_file(data_dir).read_text("utf-8"))
        if isinstance(left, dict) and isinstance(left.get("base_url"), str):
            return str(left["base_url"])
    return None


def _key_made_here(data_dir: Path) -> SecretStr | None:
    with suppress(OSError, UnicodeDecodeError):
        return SecretStr((data_dir / "keys" / "api.key").read_text("ascii").strip())
    return None


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

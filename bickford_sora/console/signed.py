"""Cookies that nobody but us can have written: a value in JSON, and a keyed hash of it. Whoever has one can read it."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

COOKIE_CHARS_MAX = 3_800
"""Longest cookie that is looked at; browsers keep 4,096 bytes of one, name and attributes included."""

Digest = Callable[[str, bytes], str]
"""A keyed hash in hex, by purpose: `ledger.keys.Keys.digest`."""


def written(digest: Digest, purpose: str, value: Any) -> str:
    """A cookie that says this."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return f"{urlsafe_b64encode(said).decode()}.{digest(purpose, said)}"


def read(digest: Digest, purpose: str, cookie: str | None) -> Any:
    """What a cookie says; None for one that was not written by us for this purpose, or was altered."""
    encoded, _, signature = (cookie or "")[:COOKIE_CHARS_MAX].partition(".")
    try:
        said = urlsafe_b64decode(encoded.encode("ascii"))
    except ValueError:
        return None
    if not hmac.compare_digest(digest(purpose, said).encode(), signature.encode("utf-8", "surrogatepass")):
        return None
    return json.loads(said)

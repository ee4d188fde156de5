"""The ways one request may be sent: what clients of the protocol are known to do."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

Sent = tuple[str, bytes]
"""Content type and body."""


def ways(fields: Mapping[str, Any]) -> Iterator[tuple[str, Sent]]:
    """Every way to send these fields, by name: an object within them in brackets or as JSON in a text."""
    yield "json", ("application/json", json.dumps(fields).encode())
    for name, spelled in (("brackets", bracketed(fields)), ("json text", as_text(fields))):
        yield f"multipart, {name}", multipart(spelled)
        yield f"urlencoded, {name}", ("application/x-www-form-urlencoded", urlencode(spelled).encode())


def bracketed(fields: Mapping[str, Any]) -> dict[str, str]:
    """As the SDKs encode forms: `video[id]=…`."""
    spelled = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            spelled.update({f"{name}[{inner}]": _text(each) for inner, each in value.items()})
        else:
            spelled[name] = _text(value)
    return spelled


def as_text(fields: Mapping[str, Any]) -> dict[str, str]:
    """As a proxy encodes forms: `video={"id": …}`."""
    return {name: json.dumps(value) if isinstance(value, dict) else _text(value) for name, value in fields.items()}


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes, str]] | None = None) -> Sent:
    """A multipart form."""
    parts = {name: (None, value) for name, value in fields.items()}
    request = httpx.Request("POST", "http://house", files={**parts, **(files or {})})
    return request.headers["content-type"], request.read()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

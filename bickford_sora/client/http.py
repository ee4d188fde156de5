"""HTTP of the client. The only module of this package that imports httpx: a successor is one import away.

`httpx.Client` and `httpx.AsyncClient` have the same methods, so what differs between the two clients of ours is the
name of the class and the word `await`; everything that does not wait is here, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from bickford_sora.egress import usual_authorities

AsyncClient = httpx.AsyncClient
Client = httpx.Client
FAILURES = (httpx.RequestError,)
"""No whole answer came."""

CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a multipart form."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, that may be sent several times."""

    method: str
    path: str
    repeatable: bool = True
    """Whether sending it twice has the effect of sending it once."""
    video_id: str | None = None
    form: Mapping[str, str] | None = None
    input_reference: FilePart | None = None
    json: Any = None
    content: bytes | None = None
    """A body that is no JSON."""
    params: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    last_event_id: str | None = None
    """Where a stream is taken up again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the call did what it was to do."""
        return httpx.codes.is_success(self.status)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No whole answer came; `reason` is the kind of failure in one word."""

    reason: str


def new_client(base_url: str, api_key: str, *, timeout_s: float) -> Client:
    """A client that waits by blocking. Raises ValueError for an address or key that cannot be used."""
    return httpx.Client(**_options(base_url, api_key, timeout_s))


def new_async_client(base_url: str, api_key: str, *, timeout_s: float) -> AsyncClient:
    """A client that waits in an event loop. Raises ValueError for an address or key that cannot be used."""
    return httpx.AsyncClient(**_options(base_url, api_key, timeout_s))


def build(client: Client | AsyncClient, call: Call) -> httpx.Request:
    """The request of a call. A form is always sent as multipart, also without a file, as the SDKs do."""
    named = {"idempotency-key": call.idempotency_key, "last-event-id": call.last_event_id}
    headers = {name: value for name, value in named.items() if value}
    return client.build_request(
        call.method,
        call.path,
        files=_parts(call),
        json=call.json,
        content=call.content,
        params=call.params,
        headers=headers,
    )


def _options(base_url: str, api_key: str, timeout_s: float) -> dict[str, Any]:
    if not base_url.startswith(("http://", "https://")):
        raise ValueError("the base URL must start with http:// or https://, for example http://127.0.0.1:8000/v1")
    # checked here because the error of a header that cannot be sent would quote it
    if not api_key or not all("!" <= character <= "~" for character in api_key):
        raise ValueError("an API key must be visible ASCII without blanks; look for a stray line end")
    return {
        "base_url": base_url.rstrip("/"),
        "headers": {"authorization": f"Bearer {api_key}", "user-agent": "bickford-sora"},
        "timeout": httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
        # content may be answered with a redirect to storage; the key is not taken along to another host
        "follow_redirects": True,
        # proxies and certificates of the environment are not read: settings are the only place that does
        "trust_env": False,
        "verify": usual_authorities(),
    }


def _parts(call: Call) -> list[tuple[str, tuple[str | None, bytes, str | None]]] | None:
    if call.form is None:
        return None
    # a part without a filename is a plain field
    parts: list[tuple[str, tuple[str | None, bytes, str | None]]] = [
        (name, (None, value.encode(), None)) for name, value in call.form.items()
    ]
    if file := call.input_reference:
        parts.append(("input_reference", (file.filename, file.content, file.media_type)))
    return parts

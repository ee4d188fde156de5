"""What surrounds every request: its id, its trace, its log line, the headers of its answer, and the last resort."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bickford_sora.http import refusals
from bickford_sora.http.house import Undertaking
from bickford_sora.telemetry import trace_id
from bickford_sora.tracing import Span, Tracing
from ledger.identifiers import NewId

NOTHING_RUNS = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of an answer that brings none of its own: whatever it holds, a browser runs none of it."""
DOCUMENTATION = (
    "default-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; img-src https://fastapi.tiangolo.com data:; "
    "frame-ancestors 'none'"
)
"""Of the framework's page at /docs, which takes its program from there."""
_POLICIES = {"/docs": DOCUMENTATION, "/docs/oauth2-redirect": DOCUMENTATION}
_POLICY = b"content-security-policy"
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_USUAL = (
    (b"referrer-policy", b"no-referrer"),  # a signed link must not travel on
    (b"cache-control", b"no-store"),
)
_OURS = frozenset({b"x-request-id", _NOSNIFF[0]})
"""Headers that no answer brings with it."""

log = structlog.get_logger(__name__)


Answered = Callable[[str, str | None, int | None, float], None]
"""Is told of each request: its method, route, status and duration in seconds."""


class RequestScope:
    """Middleware: marks a request and its log lines, completes its answer, and answers when nothing else did.

    The id is our own; one that a client sends is not trusted.
    """

    def __init__(self, app: ASGIApp, *, new_id: NewId, answered: Answered, tracing: Tracing) -> None:
        self._tracing = tracing
        self._app = app
        self._new_id = new_id
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        traceparent = traceparent_of(scope["headers"])
        trace = trace_id(traceparent)
        with self._tracing.span("request", parent=traceparent if trace else None, method=scope["method"]) as span:
            await self._answer(scope, receive, send, Undertaking(self._new_id(), span.trace or trace), span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, undertaking: Undertaking, span: Span) -> None:
        scope.setdefault("state", {})["undertaking"] = undertaking
        structlog.contextvars.clear_contextvars()
        mark_log(undertaking)
        answering = _Answering(send, undertaking.request_id, scope["path"])
        started_at = time.monotonic()
        try:
            await self._app(scope, receive, answering.send)
        except ClientDisconnect:
            log.info("client_gone")
        except Exception:
            log.exception("request_failed")
            if answering.status is not None:
                raise  # the answer has begun: only breaking the connection tells the client
            await refusals.unexpected(scope["method"])(scope, receive, answering.send)
        finally:
            duration_s = time.monotonic() - started_at
            route = getattr(scope.get("route"), "path", None)  # never the path itself, which anybody can fill
            self._answered(scope["method"], route, answering.status, duration_s)
            span.set("route", route or "none")
            span.set("status", answering.status or 0)
            log_request(log, scope["method"], route, answering.status, duration_s)


class _Answering:
    """Sends an answer with the headers every answer has."""

    def __init__(self, send: Send, request_id: str, path: str) -> None:
        self._send = send
        self._path = path
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = completed(message.get("headers", ()), self._request_id, self._path)
        await self._send(message)


def mark_log(undertaking: Undertaking) -> None:
    """Marks the log lines to come with what they are about."""
    structlog.contextvars.bind_contextvars(request_id=undertaking.request_id, trace_id=undertaking.trace)


def log_request(
    logger: Any, method: str, route: str | None, status: int | None, duration_s: float, **marks: str | None
) -> None:
    """The log line that every request has. `marks` are those of `mark_log`, where its lines are not marked."""
    duration_ms = round(duration_s * 1000, 1)
    logger.info("request", method=method, route=route, status=status, duration_ms=duration_ms, **marks)


def completed(headers: Iterable[tuple[bytes, bytes]], request_id: str, path: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers and those that every answer has."""
    given = [(name, value) for name, value in headers if name not in _OURS]
    return [*given, (b"x-request-id", request_id.encode()), *_usual(given, path)]


def _usual(given: Collection[tuple[bytes, bytes]], path: str) -> Iterator[tuple[bytes, bytes]]:
    """What every answer says, unless it says something else there."""
    names = {name for name, _ in given}
    yield _NOSNIFF
    for name, value in _USUAL:
        if name not in names:
            yield name, value
    if _POLICY not in names:
        yield _POLICY, _POLICIES.get(path, NOTHING_RUNS).encode()


def traceparent_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What the client says of its trace, as it was sent."""
    return next((value.decode("latin-1") for name, value in headers if name == b"traceparent"), None)

"""How much one process takes on at a time. What is beyond it is told to come back, before anything is done for it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bickford_sora.errors import TryLater
from bickford_sora.http import refusals

REQUESTS_MAX = 1_500
"""Requests one process answers at a time, those whose answer is being sent included."""
BODIES_BYTES_MAX = 512 * 1024 * 1024
"""Request bodies one process holds at a time, all together, in bytes."""
LET_THROUGH = frozenset({"/healthz", "/readyz"})
"""Whoever asks how the process is gets an answer, above all when there is much to do."""


class Gate:
    """Middleware: answers 503 `overloaded` to what would be too much. For one event loop."""

    def __init__(
        self, app: ASGIApp, *, requests_max: int = REQUESTS_MAX, bodies_bytes_max: int = BODIES_BYTES_MAX
    ) -> None:
        self._app = app
        self._requests_max = requests_max
        self._bodies_bytes_max = bodies_bytes_max
        self._requests = 0
        self._bodies_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or scope["path"] in LET_THROUGH:
            await self._app(scope, receive, send)
            return
        if self._requests >= self._requests_max:
            await refusals.answer(_overloaded(f"{self._requests_max} requests"))(scope, receive, send)
            return
        self._requests += 1
        body = _Body(self, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._requests -= 1
            self._bodies_bytes -= body.held_bytes

    def hold(self, count: int) -> None:
        """Takes in so many more bytes. Raises TryLater where that is too much."""
        if self._bodies_bytes + count > self._bodies_bytes_max:
            raise _overloaded(f"{self._bodies_bytes_max} bytes of bodies")
        self._bodies_bytes += count


class _Body:
    """One request's body, counted as it comes in."""

    def __init__(self, gate: Gate, receive: Receive) -> None:
        self._gate = gate
        self._receive = receive
        self.held_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        count = len(message.get("body", b""))
        self._gate.hold(count)
        self.held_bytes += count
        return message


def _overloaded(of_what: str) -> TryLater:
    return TryLater(
        f"The server is at its limit of {of_what} at a time. Nothing was done; send the same request again.",
        code="overloaded",
    )

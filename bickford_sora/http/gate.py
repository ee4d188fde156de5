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


class Burden:
    """What one process has taken on: requests, and bytes of their bodies. For one event loop."""

    def __init__(self, requests_max: int = REQUESTS_MAX, bodies_bytes_max: int = BODIES_BYTES_MAX) -> None:
        self._requests_max = requests_max
        self._bodies_bytes_max = bodies_bytes_max
        self._requests = 0
        self._bodies_bytes = 0

    def bears(self, count: int) -> bool:
        """Whether one more request with so many bytes of body is not too much."""
        return self._requests < self._requests_max and self._bodies_bytes + count <= self._bodies_bytes_max

    def take_on(self) -> None:
        """Takes on one more request. Raises TryLater where that is too much."""
        if self._requests >= self._requests_max:
            raise _overloaded(f"{self._requests_max} requests")
        self._requests += 1

    def hold(self, count: int) -> None:
        """Takes in so many more bytes. Raises TryLater where that is too much."""
        if self._bodies_bytes + count > self._bodies_bytes_max:
            raise _overloaded(f"{self._bodies_bytes_max} bytes of bodies")
        self._bodies_bytes += count

    def put_down(self, held_bytes: int) -> None:
        """A request is answered, and so many bytes of its body are held no longer."""
        self._requests -= 1
        self._bodies_bytes -= held_bytes


class Gate:
    """Middleware: answers 503 `overloaded` to what would be too much."""

    def __init__(self, app: ASGIApp, burden: Burden) -> None:
        self._app = app
        self._burden = burden

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or scope["path"] in LET_THROUGH:
            await self._app(scope, receive, send)
            return
        try:
            self._burden.take_on()
        except TryLater as refusal:
            await refusals.answer(refusal)(scope, receive, send)
            return
        body = _Body(self._burden, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._burden.put_down(body.held_bytes)


class _Body:
    """One request's body, counted as it comes in."""

    def __init__(self, burden: Burden, receive: Receive) -> None:
        self._burden = burden
        self._receive = receive
        self.held_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        count = len(message.get("body", b""))
        self._burden.hold(count)
        self.held_bytes += count
        return message


def _overloaded(of_what: str) -> TryLater:
    return TryLater(
        f"The server is at its limit of {of_what} at a time. Nothing was done; send the same request again.",
        code="overloaded",
    )

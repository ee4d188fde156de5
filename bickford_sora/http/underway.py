"""Requests that are being answered, so that the repetition of one waits for what becomes of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyio import Event, move_on_after

REPETITION_WAIT_S = 20.0
"""How long a repetition waits for the request it repeats, in seconds."""


class Underway:
    """The requests without an Idempotency-Key that this process is answering. For one event loop.

    A client that loses patience repeats its request while the first is still being decided. Only when that is over can
    it be known that its answer found nobody.
    """

    def __init__(self) -> None:
        self._answering: dict[str, list[Event]] = {}

    @asynccontextmanager
    async def answering(self, name: str, *, is_repetition: bool) -> AsyncGenerator[None, None]:
        """Answers a request of this name; a repetition after those of the same name that came before it."""
        before = [*self._answering.get(name, ())]
        over = Event()
        self._answering.setdefault(name, []).append(over)
        try:
            if is_repetition:
                with move_on_after(REPETITION_WAIT_S):
                    for each in before:
                        await each.wait()
            yield
        finally:
            over.set()
            self._answering[name].remove(over)
            if not self._answering[name]:
                del self._answering[name]

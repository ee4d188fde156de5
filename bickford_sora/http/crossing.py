"""Where requests cross to the synchronous ledger, its read models and asset storage.

Only `Ledger.append_all` is called by the event loop itself.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

THREADS_MAX = 40
"""Calls of one process that are in the synchronous world at the same time; later ones wait their turn."""

Params = ParamSpec("Params")
Answer = TypeVar("Answer")


class Crossing:
    """Runs synchronous calls in threads, at most `threads_max` at once.

    A call that has begun is finished even when its request is cancelled, so that nobody abandons an append half way.
    """

    def __init__(self, threads_max: int = THREADS_MAX) -> None:
        self._limiter = CapacityLimiter(threads_max)

    async def run(self, function: Callable[Params, Answer], *args: Params.args, **kwargs: Params.kwargs) -> Answer:
        """What `function` returns or raises."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._limiter)


def in_thread(function: Callable[Params, Answer]) -> Callable[Params, Awaitable[Answer]]:
    """The synchronous function for an event loop, which runs it in a thread, one call at a time."""
    crossing = Crossing(1)

    async def run(*args: Params.args, **kwargs: Params.kwargs) -> Answer:
        return await crossing.run(function, *args, **kwargs)

    return run

"""Requests that are recorded together: those that come while others are being recorded go with the next ones.

The way to the ledger and back costs more than recording one webhook does. Here a batch of them costs that once.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

TOGETHER_MAX = 128
"""Most of them at a time, so that the first of a batch does not wait for ever more behind it."""

Item = TypeVar("Item")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Gathering(Generic[Item, Result]):
    """Calls a function with the items of many requests. For one event loop."""

    def __init__(
        self, together: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]], *, pace_s: float = 0.0
    ) -> None:
        """`together` answers each item in their order, by an exception where it is to be raised.

        `pace_s` is the least time from one batch of several to the next, in seconds: the more that come, the fewer
        batches they make. Who comes alone waits for nothing.
        """
        self._together = together
        self._pace_s = pace_s
        self._waiting: list[tuple[Item, Callable[[Result | Exception], None]]] = []
        self._going: asyncio.Task[None] | None = None

    async def run(self, item: Item) -> Result:
        """The answer to one item. A caller that leaves meanwhile takes nothing back."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.add(item, partial(_settle, answer))
        return await answer

    def add(self, item: Item, tell: Callable[[Result | Exception], None]) -> None:
        """Has `tell` called in the event loop with the answer to one item, or what would be raised."""
        self._waiting.append((item, tell))
        if self._going is None:
            # Nothing of this request is in the context of what is done for all of them.
            self._going = asyncio.get_running_loop().create_task(self._go(), context=contextvars.Context())

    async def _go(self) -> None:
        """Until nobody waits."""
        try:
            while self._waiting:
                began = time.monotonic()
                batch, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
                _give(batch, await self._answers([item for item, _ in batch]))
                if self._pace_s and len(batch) > 1:
                    await asyncio.sleep(began + self._pace_s - time.monotonic())
        finally:
            self._going = None

    async def _answers(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            return _one_each(items, await self._together(items))
        except Exception as error:  # noqa: BLE001 - it is raised where each of them waits
            return [error] * len(items)


def _one_each(items: Sequence[Item], answers: Sequence[Result | Exception]) -> Sequence[Result | Exception]:
    """The answers, unless there are too few: somebody would wait for ever. Raises RuntimeError for these."""
    if len(answers) != len(items):
        raise RuntimeError(f"{len(answers)} answers to {len(items)} requests")
    return answers


def _give(
    batch: Sequence[tuple[Item, Callable[[Result | Exception], None]]], answers: Sequence[Result | Exception]
) -> None:
    for (_, tell), answer in zip(batch, answers, strict=True):
        try:
            tell(answer)
        except Exception:
            log.exception("answer_not_given")  # the others wait for theirs


def _settle(waiting: "asyncio.Future[Result]", answer: Result | Exception) -> None:
    if waiting.done():  # its request is gone
        return
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)

"""Appends from an event loop, without a thread for the waiting.

    event loop ──► AsyncSender ──► ledger.append ──► answers
         └── what is out of the ordinary ──► a thread ──► Committer

A batch that goes through threads waits for the interpreter's lock up to four times, behind a loop that is busy taking
in what the next batch is made of.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from ledger.committer import (
    ANSWER_WAIT_S,
    BATCH_BYTES_MAX,
    BATCH_DECISIONS_MAX,
    Committer,
    Observe,
    Together,
    unobserved,
)
from ledger.envelope import Appended
from ledger.errors import LedgerError, Unavailable
from ledger.sending import AsyncSender
from ledger.wire import Encoded


class AsyncCommitter:
    """Sends decisions in batches from one event loop at a time.

    It knows the ordinary way only. The committer has a connection sooner, sends again what broke off, and takes apart
    what is refused; event ids give what was written already its first answer.
    """

    def __init__(
        self,
        sender: AsyncSender,
        committer: Committer,
        *,
        observe: Observe = unobserved,
        answer_wait_s: float = ANSWER_WAIT_S,
    ) -> None:
        self._sender = sender
        self._committer = committer
        self._observe = observe
        self._answer_wait_s = answer_wait_s
        self._turn = asyncio.Lock()

    async def append_all(self, decisions: Sequence[Encoded]) -> list[Appended | Exception]:
        """As `Committer.append_all`. Who is cancelled does not learn what was written."""
        answers: dict[int, Appended | Exception] = {}
        async with self._turn:
            left: Sequence[int] = range(len(decisions))
            while left:
                batch, left = _apart(decisions, left)
                answers.update(zip(batch, await self._sent([decisions[number] for number in batch]), strict=True))
        return [answers[number] for number in range(len(decisions))]

    async def _sent(self, batch: Sequence[Encoded]) -> Sequence[Appended | Exception]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._answer_wait_s):
                answers = await self._sender.send(batch)
        except TimeoutError:
            return [Unavailable("no answer in time; it is not known whether the decision was written")] * len(batch)
        except Unavailable as error:
            return [error] * len(batch)
        except LedgerError:
            return await asyncio.to_thread(self._leave_to_committer, batch)
        self._observe(len(batch), time.monotonic() - began)
        return answers

    def _leave_to_committer(self, batch: Sequence[Encoded]) -> list[Appended | Exception]:
        answers = self._committer.append_all(batch)
        if any(isinstance(each, Appended) for each in answers):
            with suppress(LedgerError):  # the next batch comes here, too
                self._sender.connect()
        return answers


def _apart(decisions: Sequence[Encoded], numbers: Sequence[int]) -> tuple[list[int], list[int]]:
    """Those that go together, and those that come behind them."""
    together, bytes_ = Together(), 0
    batch: list[int] = []
    left: list[int] = []
    for number in numbers:
        bytes_ += decisions[number].size
        fits = not batch or (len(batch) < BATCH_DECISIONS_MAX and bytes_ <= BATCH_BYTES_MAX)
        (batch if together.takes(decisions[number]) and fits else left).append(number)
    return batch, left

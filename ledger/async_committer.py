"""Appends from an event loop, without a thread for the waiting.

    event loop ──► AsyncSender ──► ledger.append ──► answers
         └── what is out of the ordinary ──► a thread ──► Committer

A batch that goes through threads waits for the interpreter's lock up to four times, behind a loop that is busy taking
in what the next batch is made of.
"""

import asyncio
import time
from collections.abc import Sequence

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
    """Sends decisions in batches from an event loop.

    It knows the ordinary way only. The committer and a thread have the first batch, one that comes while another is
    under way, what broke off, which is sent again, and what was refused, which is taken apart. Event ids give what was
    written already its first answer.
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

    async def append_all(self, decisions: Sequence[Encoded]) -> list[Appended | Exception]:
        """Appends decisions that know nothing of each other, each for itself. Who is cancelled learns of none."""
        gives_up_at = asyncio.get_running_loop().time() + self._answer_wait_s
        answers: dict[int, Appended | Exception] = {}
        left: Sequence[int] = range(len(decisions))
        while left:
            batch, left = _apart(decisions, left)
            sent = await self._sent([decisions[number] for number in batch], gives_up_at)
            answers.update(zip(batch, sent, strict=True))
            if all(isinstance(each, Unavailable) for each in sent):  # those behind it would only wait as long
                answers.update(dict.fromkeys(left, sent[0]))
                break
        return [answers[number] for number in range(len(decisions))]

    async def _sent(self, batch: Sequence[Encoded], gives_up_at: float) -> Sequence[Appended | Exception]:
        try:
            if self._sender.is_free:
                async with asyncio.timeout_at(gives_up_at):
                    return await self._observed(batch)
        except TimeoutError:
            return [Unavailable("no answer in time; it is not known whether the decision was written")] * len(batch)
        except Unavailable as error:
            return [error] * len(batch)
        except LedgerError:
            pass  # the committer finds out what of it can be written
        wait_s = max(0.0, gives_up_at - asyncio.get_running_loop().time())
        answers = await asyncio.to_thread(self._committer.append_all, batch, wait_s)
        if any(isinstance(each, Appended) for each in answers):
            self._sender.connect_soon()
        return answers

    async def _observed(self, batch: Sequence[Encoded]) -> Sequence[Appended | Exception]:
        began = time.monotonic()
        answers = await self._sender.send(batch)
        self._observe(len(batch), time.monotonic() - began)
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

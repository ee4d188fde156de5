"""Gathers concurrent decisions into one append, so that many callers share one fsync.

    caller ── append ──► waiting ──► one batch at a time ──► ledger.append ──► each caller gets its own answer

One batch never holds two decisions where one writes a stream that the other reads or writes; the later one waits for
the next batch, and is judged on what the earlier one left behind.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from ledger.envelope import Appended
from ledger.errors import LedgerError, Unavailable
from ledger.wire import Encoded

BATCH_DECISIONS_MAX = 256
"""Most decisions in one append."""
BATCH_BYTES_MAX = 8 * 1024 * 1024
"""Most encoded bytes in one append (a single larger decision goes alone)."""
LOOK_AHEAD_DECISIONS_MAX = 1_024
"""How many waiting decisions are looked at for one batch, so that a queue on one hot stream costs no squared time."""
WAITING_DECISIONS_MAX = 10_000
"""Most decisions that may wait; one more is refused instead of growing without bound."""
ANSWER_WAIT_S = 120.0
"""Longest wait for an answer, in seconds. Behind it lies the time a restarted server needs to come back."""
RESENDS_MAX = 5
"""How often a batch is sent again after its connection broke."""

log = structlog.get_logger(__name__)

Answer = Appended | LedgerError
Send = Callable[[Sequence[Encoded]], Sequence[Answer]]
"""Appends a batch and answers each decision in order.

Raises ConnectionBroken when it is not known whether the batch was written (sending it again is safe: event ids make
the ledger give the first answer), Unavailable when nothing can be written now, any other LedgerError when something in
the batch cannot be stored.
"""


class ConnectionBroken(LedgerError):  # noqa: N818 - it is a state of the connection
    """The connection broke in the middle of an append."""

    code = "connection_broken"


@dataclass(slots=True)
class _Waiting:
    decision: Encoded
    answer: "Future[Appended]" = field(default_factory=Future)


class Committer:
    """Sends decisions in batches from one thread. Safe to use from any number of threads."""

    def __init__(
        self,
        send: Send,
        *,
        batch_decisions_max: int = BATCH_DECISIONS_MAX,
        batch_bytes_max: int = BATCH_BYTES_MAX,
        waiting_decisions_max: int = WAITING_DECISIONS_MAX,
        answer_wait_s: float = ANSWER_WAIT_S,
    ) -> None:
        self._send = send
        self._batch_decisions_max = batch_decisions_max
        self._batch_bytes_max = batch_bytes_max
        self._waiting_decisions_max = waiting_decisions_max
        self._answer_wait_s = answer_wait_s
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-committer", daemon=True)
        self._thread.start()

    def append(self, decision: Encoded) -> Appended:
        """Appends one decision and waits for its answer.

        Raises Conflict when a head moved on, Refused when it cannot be stored, Unavailable when the database does not
        answer, too many wait, or the committer is closed.
        """
        ticket = _Waiting(decision)
        with self._changed:
            if self._closed:
                raise Unavailable("the ledger is closed")
            if len(self._waiting) >= self._waiting_decisions_max:
                raise Unavailable(f"{self._waiting_decisions_max} decisions are waiting; retry later")
            self._waiting.append(ticket)
            self._changed.notify()
        try:
            return ticket.answer.result(self._answer_wait_s)
        except TimeoutError as error:
            if ticket.answer.cancel():
                raise Unavailable("the decision had to wait too long and was not sent") from error
            raise Unavailable("no answer in time; it is not known whether the decision was written") from error

    def close(self) -> None:
        """Sends what is waiting, then ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            for ticket, answer in zip(batch, self._answers(batch), strict=True):
                if isinstance(answer, Appended):
                    ticket.answer.set_result(answer)
                else:
                    ticket.answer.set_exception(answer)

    def _answers(self, batch: Sequence[_Waiting]) -> Sequence[Answer | Exception]:
        """One answer for each. The thread must outlive whatever one batch does."""
        try:
            answers = self._commit([each.decision for each in batch])
            return [answers[number] for number in range(len(batch))]
        except Exception as error:
            log.exception("append_failed", decisions=len(batch))
            return [error] * len(batch)

    def _next_batch(self) -> list[_Waiting]:
        """What goes next: decisions that do not touch each other, the oldest first; empty at the end."""
        with self._changed:
            while True:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                taken = self._take_compatible()
                # From here on its caller can not take a decision back any more.
                batch = [each for each in taken if each.answer.set_running_or_notify_cancel()]
                if batch or not taken:
                    return batch

    def _take_compatible(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        touched: set[str] = set()
        written: set[str] = set()
        size = 0
        while self._waiting and len(batch) < self._batch_decisions_max and len(left) < LOOK_AHEAD_DECISIONS_MAX:
            decision = self._waiting[0].decision
            if batch and size + decision.size > self._batch_bytes_max:
                break
            ticket = self._waiting.popleft()
            if written.isdisjoint(decision.heads) and touched.isdisjoint(decision.written):
                batch.append(ticket)
                size += decision.size
            else:
                left.append(ticket)
            # One that waits counts as touching too, so that nothing overtakes it on its own streams.
            touched.update(decision.heads)
            written |= decision.written
        self._waiting.extendleft(reversed(left))
        return batch

    def _commit(self, batch: Sequence[Encoded]) -> Sequence[Answer | Exception]:
        try:
            return self._resend(batch)
        except LedgerError as error:
            if len(batch) == 1 or isinstance(error, Unavailable):
                return [error] * len(batch)
        # One of them is poison. Alone, each gets the answer it deserves.
        return [answer for decision in batch for answer in self._commit([decision])]

    def _resend(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        for left in range(RESENDS_MAX - 1, 0, -1):
            try:
                return self._send(batch)
            except ConnectionBroken:
                log.warning("append_resent", decisions=len(batch), left=left)
        try:
            return self._send(batch)
        except ConnectionBroken as error:
            raise Unavailable("the database did not come back; it is not known what was written") from error

"""Gathers concurrent decisions into one append, so that many callers share one fsync.

    caller ── append ──► waiting ──► one batch at a time ──► ledger.append ──► each caller gets its own answer

One batch never holds two decisions where one writes a stream that the other reads or writes; the later one waits for
the next batch, and is judged on what the earlier one left behind.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue

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


Observe = Callable[[int, float], None]
"""Told of each batch that was answered: how many decisions it had, and how long it took in seconds."""


class ConnectionBroken(LedgerError):  # noqa: N818 - it is a state of the connection
    """The connection broke in the middle of an append."""

    code = "connection_broken"


def unobserved(_decisions: int, _took_s: float) -> None:
    """An `Observe` for nobody."""


class Together:
    """What a batch and those left behind touch, and so who may still go with it."""

    def __init__(self) -> None:
        self._touched: set[str] = set()
        self._written: set[str] = set()

    def takes(self, decision: Encoded) -> bool:
        """Whether this one, the next in order, goes with the batch; else it waits for a later one."""
        goes = self._written.isdisjoint(decision.heads) and self._touched.isdisjoint(decision.written)
        # One that waits counts as touching too, so that nothing overtakes it on its own streams.
        self._touched.update(decision.heads)
        self._written |= decision.written
        return goes


class _Ticket:
    """A decision and its caller, who waits. Bare locks: a future's condition costs as much as encoding the decision."""

    __slots__ = ("_answered", "_met", "_taken", "answer", "behind", "decision", "wakes")

    def __init__(self, decision: Encoded, *, wakes: bool = True) -> None:
        self.decision = decision
        self.answer: Appended | Exception | None = None
        self.behind: Sequence[_Ticket] = ()
        """Whom its caller wakes, once woken."""
        self.wakes = wakes
        """Whether its caller does so at once: not one who waits for several answers in turn."""
        self._taken = threading.Lock()
        self._met = threading.Lock()
        self._answered = threading.Lock()
        self._answered.acquire()

    def take(self) -> bool:
        """Whether it is ours: the committer takes it to send it, or its caller takes it back. Only one of them can."""
        return self._taken.acquire(blocking=False)

    def wake(self) -> bool:
        """Wakes its caller. Whether one still waits, who wakes those behind."""
        if not self._met.acquire(blocking=False):
            return False
        self._answered.release()
        return self.wakes

    def wait(self, timeout_s: float) -> Appended | Exception | None:
        """The answer, None when it did not come in time."""
        woken = False
        try:
            woken = self._answered.acquire(timeout=timeout_s)
        finally:
            # Whoever goes unwoken says so, and is passed over. If it is too late for that, it was woken just now.
            if (woken or not self._met.acquire(blocking=False)) and self.wakes:
                _wake(self.behind)
        return self.answer


def _wake(tickets: Iterable[_Ticket]) -> None:
    """Wakes callers who still wait, and in place of those who do not whoever is behind them.

    Woken all at once, they would stop each other and the committer at the interpreter's lock: each is woken twice
    then, and a core is busy with that. One after the other, each would wait for all before it to get the lock, 5 ms a
    time beside a thread that computes. So each wakes two.
    """
    for ticket in tickets:
        if not ticket.wake():
            _wake(ticket.behind)


class Committer:
    """Sends decisions in batches from one thread. Safe to use from any number of threads."""

    def __init__(
        self,
        send: Send,
        *,
        give_up: Callable[[], None] = lambda: None,
        batch_decisions_max: int = BATCH_DECISIONS_MAX,
        batch_bytes_max: int = BATCH_BYTES_MAX,
        waiting_decisions_max: int = WAITING_DECISIONS_MAX,
        answer_wait_s: float = ANSWER_WAIT_S,
    ) -> None:
        self._send = send
        self._give_up = give_up
        """Has a `send` that waits in the thread raise ConnectionBroken soon."""
        self._sent_at = 0.0
        """When the last batch was sent, in monotonic seconds."""
        self._batch_decisions_max = batch_decisions_max
        self._batch_bytes_max = batch_bytes_max
        self._waiting_decisions_max = waiting_decisions_max
        self._answer_wait_s = answer_wait_s
        self._arriving: SimpleQueue[_Ticket | None] = SimpleQueue()
        """What callers put; None wakes the thread for the end."""
        self._waiting: deque[_Ticket] = deque()
        """What has arrived and was not sent yet, the oldest first. Only the thread touches it."""
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ledger-committer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many decisions wait to be sent, near enough to bound them."""
        return self._arriving.qsize() + len(self._waiting)

    def append(self, decision: Encoded) -> Appended:
        """Appends one decision and waits for its answer.

        Raises Conflict when a head moved on, Refused when it cannot be stored, Unavailable when the database does not
        answer, too many wait, or the committer is closed.
        """
        answer = self._answer_to(self._queued(_Ticket(decision)), self._answer_wait_s)
        if isinstance(answer, Appended):
            return answer
        raise answer

    def append_all(self, decisions: Sequence[Encoded], wait_s: float) -> list[Appended | Exception]:
        """Appends decisions that know nothing of each other, each for itself, and waits for all answers.

        `wait_s`: for so long, in seconds; then they are Unavailable.
        """
        gives_up_at = time.monotonic() + wait_s
        tickets: list[_Ticket | Unavailable] = []
        for decision in decisions:
            try:
                tickets.append(self._queued(_Ticket(decision, wakes=False)))
            except Unavailable as error:
                tickets.append(error)
        return [
            each if isinstance(each, Unavailable) else self._answer_to(each, max(0.0, gives_up_at - time.monotonic()))
            for each in tickets
        ]

    def _queued(self, ticket: _Ticket) -> _Ticket:
        if self.waiting >= self._waiting_decisions_max:
            raise Unavailable(f"{self._waiting_decisions_max} decisions are waiting; retry later")
        with self._closing:
            if self._closed:
                raise Unavailable("the ledger is closed")
            self._arriving.put(ticket)
        return ticket

    def _answer_to(self, ticket: _Ticket, wait_s: float) -> Appended | Exception:
        answer = ticket.wait(wait_s)
        if answer is not None:
            return answer
        if ticket.take():
            return Unavailable("the decision had to wait too long and was not sent")
        # A database that hangs would keep all that comes behind. What was sent just now is no sign of one.
        if time.monotonic() - self._sent_at > self._answer_wait_s / 2:
            self._give_up()
        return Unavailable("no answer in time; it is not known whether the decision was written")

    def close(self) -> None:
        """Sends what is waiting, then ends."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._arriving.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            for number, (ticket, answer) in enumerate(zip(batch, self._answers(batch), strict=True)):
                ticket.behind, ticket.answer = batch[2 * number + 1 : 2 * number + 3], answer
            _wake(batch[:1])

    def _answers(self, batch: Sequence[_Ticket]) -> Sequence[Answer | Exception]:
        """One answer for each. The thread must outlive whatever one batch does."""
        try:
            answers = self._commit([each.decision for each in batch])
            return [answers[number] for number in range(len(batch))]
        except Exception as error:
            log.exception("append_failed", decisions=len(batch))
            return [error] * len(batch)

    def _next_batch(self) -> list[_Ticket]:
        """What goes next: decisions that do not touch each other, the oldest first; empty at the end."""
        while self._collect():
            # From here on its caller can not take a decision back any more.
            if batch := [each for each in self._take_compatible() if each.take()]:
                return batch
        return []

    def _collect(self) -> bool:
        """Whether anything waits: takes in what has arrived, and sleeps while there is nothing. False at the end."""
        while not self._waiting or not self._arriving.empty():
            arrived = self._arriving.get()
            if arrived is None:
                self._arriving.put(None)  # nothing comes behind it: it is met again when all was sent
                return bool(self._waiting)
            self._waiting.append(arrived)
        return True

    def _take_compatible(self) -> list[_Ticket]:
        batch: list[_Ticket] = []
        left: list[_Ticket] = []
        together = Together()
        size = 0
        while self._waiting and len(batch) < self._batch_decisions_max and len(left) < LOOK_AHEAD_DECISIONS_MAX:
            decision = self._waiting[0].decision
            bytes_ = decision.size
            if batch and size + bytes_ > self._batch_bytes_max:
                break
            ticket = self._waiting.popleft()
            if together.takes(decision):
                batch.append(ticket)
                size += bytes_
            else:
                left.append(ticket)
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
                return self._sent(batch)
            except ConnectionBroken:
                log.warning("append_resent", decisions=len(batch), left=left)
        try:
            return self._sent(batch)
        except ConnectionBroken as error:
            raise Unavailable("the database did not come back; it is not known what was written") from error

    def _sent(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        self._sent_at = time.monotonic()
        return self._send(batch)

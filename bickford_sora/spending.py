"""One decider for a tenant's spend: every reservation and every settlement is decided here, in order, on one head.

    callers ── take(spend) ──► waiting ──► the first of them leads ──► one append for all ──► each its own answer

Whoever is first in the queue decides for all who wait; no thread of its own is needed. The fold is kept between
appends, and only what others appended meanwhile is read. What keeps the caps exact is the head alone: while nobody else
decides, nothing is asked before an append. Processes that meet take turns, so that none decides in vain or starves.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from bickford_sora.decisions.drafts import Draft
from bickford_sora.side_by_side import result
from ledger import spend, streams
from ledger.application import Ledger
from ledger.envelope import Context, Decision, Event
from ledger.errors import Conflict, LedgerError, Refused, Unavailable
from ledger.identifiers import NewId
from ledger.spend import Spend

TOGETHER_MAX = 128
"""Most decisions in one append. All of them fall together when one of them cannot stand."""
ATTEMPTS_MAX = 50
"""How often a decision is taken again because other processes decided meanwhile."""
TURNS = 100
"""How many appends in a row are made in turn after another process was met: until it has not been for so many."""
ALONE_MAX = 10
"""How many appends at most are made without a turn before one that is: who waits for its turn would else always be too
late, and never be met."""

Take = Callable[[Spend], Draft]
"""Decides on the spend as it is. Pure: called again when the append was refused. Nothing: nothing is appended."""


@dataclass(slots=True)
class _Call:
    """Who waits, for one decision or several."""

    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    """Whether it is to decide for all who wait."""

    def lead(self) -> None:
        self.leads = True
        self.woken.set()


@dataclass(slots=True)
class _Waiting:
    """A decision to take, and what became of it."""

    take: Take
    context: Context
    call: _Call
    is_done: bool = False
    error: Exception | None = None
    events: tuple[Event, ...] = ()
    """What was decided, once it was appended."""
    attempts: int = 0


class Spending:
    """Decides on the spend of one tenant. Safe to use from several threads; processes meet at the stream's head."""

    def __init__(self, ledger: Ledger, tenant: str, *, new_id: NewId) -> None:
        self._ledger = ledger
        self._stream = streams.spend(tenant)
        self._new_id = new_id
        self._state = Spend(self._stream)
        self._turns = 1  # nothing was read yet
        """How many appends are still to be made in turn."""
        self._alone = 0
        """How many were made without since the last of those."""
        self._waiting: list[_Waiting] = []
        self._is_led = False
        self._arriving = threading.Lock()
        self._deciding = threading.Lock()

    def append(self, take: Take, context: Context) -> tuple[Event, ...]:
        """Takes a decision and appends it together with what it means for the spend. Returns the events it became.

        Raises Conflict when another stream it relied on moved on, and what `take` raises; Refused and Unavailable as
        the ledger does.
        """
        [events] = self.append_all([(take, context)])
        return result(events)

    def append_all(self, wanted: Sequence[tuple[Take, Context]]) -> list[tuple[Event, ...] | Exception]:
        """As `append` for each, all in as few appends as can be."""
        call = _Call()
        mine = [_Waiting(take, context, call) for take, context in wanted]
        with self._arriving:
            self._waiting += mine
            if mine and not self._is_led:
                self._is_led = True
                call.lead()
        while not all(each.is_done for each in mine):
            call.woken.wait()
            call.woken.clear()
            if call.leads:
                self._lead(call, mine)
        return [each.events if each.error is None else each.error for each in mine]

    @property
    def waiting(self) -> int:
        """How many wait for their decision, without those that are just being decided."""
        with self._arriving:
            return len(self._waiting)

    def now(self) -> Spend:
        """The spend as it is; a copy of the caller's own. Raises Unavailable when the database does not answer."""
        with self._deciding:
            self._catch_up()
            return self._state.copy()

    def _lead(self, call: _Call, mine: Sequence[_Waiting]) -> None:
        """Decides for all who wait until one's own decisions are taken; then the next in the queue leads."""
        call.leads = False
        try:
            while not all(each.is_done for each in mine):
                with self._turn(), self._deciding:
                    self._decide(self._next())
        finally:
            with self._arriving:
                # Nobody waits any more who leaves by an error.
                self._waiting = [each for each in self._waiting if each.call is not call]
                self._is_led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].call.lead()

    def _turn(self) -> AbstractContextManager[None]:
        return self._ledger.turn(self._stream) if self._turns else nullcontext()

    def _next(self) -> list[_Waiting]:
        with self._arriving:
            batch, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
        return batch

    def _decide(self, batch: Sequence[_Waiting]) -> None:
        """Answers a batch. Nobody is left without an answer."""
        groups = deque([batch])
        try:
            while groups:
                groups.extendleft(reversed(self._together(groups.popleft())))
        except BaseException as error:
            told = error if isinstance(error, Exception) else Unavailable("the process is ending")
            for each in batch:
                if not each.is_done:
                    _answer(each, told)
            if told is not error:
                raise

    def _together(self, group: Sequence[_Waiting]) -> list[Sequence[_Waiting]]:
        """Decides a group and appends it as one. Returns the groups that are still to be decided, in their order."""
        reads_on = self._turns > 0
        if reads_on:
            is_first = self._state.version == 0
            self._turns = TURNS if self._catch_up() and not is_first else self._turns - 1
            self._alone = 0
        else:
            self._alone += 1
            self._turns = self._alone // ALONE_MAX
        drafted = _Drafted(self._state.copy(), self._new_id)
        later = [each for each in group if not drafted.add(each)]
        if drafted.unrecorded and not reads_on and self._catch_up():
            self._turns = TURNS  # no head is checked of what is not appended: it is decided on what is known now
            return [group]
        drafted.answer_unrecorded()
        rest: list[Sequence[_Waiting]] = [later] if later else []
        if not drafted.taken:
            return rest
        head = self._state.version
        try:
            self._ledger.append(drafted.decision(self._stream, head))
        except (Conflict, Refused) as error:
            return [*self._again(drafted.taken, error), *rest]
        self._state = drafted.state
        for each in drafted.taken:
            _answer(each)
        return rest

    def _again(self, refused: Sequence[_Waiting], error: LedgerError) -> list[Sequence[_Waiting]]:
        """Who of a group whose append was refused is to be decided again, and how."""
        moved = self._catch_up()
        if isinstance(error, Conflict) and moved:  # another process decided meanwhile
            self._turns = TURNS
            self._put_back(refused, error)
            return []
        if len(refused) > 1:  # it is one's own fault: each alone finds out whose
            return [[each] for each in refused]
        _answer(refused[0], error)
        return []

    def _put_back(self, refused: Sequence[_Waiting], error: LedgerError) -> None:
        """Lets them wait for the next turn; not for ever."""
        for each in refused:
            each.attempts += 1
            if each.attempts == ATTEMPTS_MAX:
                _answer(each, error)
        with self._arriving:
            self._waiting[:0] = [each for each in refused if not each.is_done]

    def _catch_up(self) -> bool:
        """Reads on. Whether there was anything: others decide too."""
        known = self._state.version
        spend.fold(self._state, self._ledger.history(self._stream, after=known))
        return self._state.version != known


class _Drafted:
    """What a batch of decisions comes to: events of several undertakings, on the spend as each one left it."""

    def __init__(self, state: Spend, new_id: NewId) -> None:
        self.state = state
        self.taken: list[_Waiting] = []
        self.unrecorded: list[tuple[_Waiting, Exception | None]] = []
        """Those of which nothing is appended, with what kept them from it."""
        self._new_id = new_id
        self._events: list[Event] = []
        self._heads: dict[str, int] = {}
        self._written: set[str] = set()

    def add(self, waiting: _Waiting) -> bool:
        """Takes one more decision. False: it meets another one in some stream, and has to wait for what comes of it."""
        try:
            draft = waiting.take(self.state)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who asked
            self.unrecorded.append((waiting, error))
            return True
        written = {stream for stream, _ in draft.facts} - {self.state.stream}
        touched = written | (set(draft.heads) - {self.state.stream})
        if touched & self._written or written & set(self._heads) or self._contradicts(draft.heads):
            return False
        if not draft:
            self.unrecorded.append((waiting, None))
            return True
        heads = {**dict.fromkeys(written, 0), **draft.heads, self.state.stream: self.state.version}
        decision = Decision.of(draft.facts, heads=heads, context=waiting.context, new_id=self._new_id)
        for event in decision.events:
            if event.stream == self.state.stream:
                spend.evolve(self.state, event.version, event.fact)
        waiting.events = decision.events
        self._events += decision.events
        self._heads.update({stream: head for stream, head in heads.items() if stream != self.state.stream})
        self._written |= written
        self.taken.append(waiting)
        return True

    def _contradicts(self, heads: Mapping[str, int]) -> bool:
        """Whether another decision relied on another head of the same stream: one of the two is out of date."""
        return any(self._heads.get(stream, head) != head for stream, head in heads.items())

    def answer_unrecorded(self) -> None:
        """Tells those of which nothing is appended."""
        for waiting, error in self.unrecorded:
            waiting.events = ()
            _answer(waiting, error)

    def decision(self, stream: str, head: int) -> Decision:
        """All of it as one decision, on the spend stream's `head`."""
        return Decision(tuple(self._events), {**self._heads, stream: head})


def _answer(waiting: _Waiting, error: Exception | None = None) -> None:
    waiting.error = error
    waiting.is_done = True
    waiting.call.woken.set()

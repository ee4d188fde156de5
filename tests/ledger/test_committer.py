"""The committer alone, with a ledger of a few lines behind it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ledger import committer
from ledger.committer import RESENDS_MAX, Answer, Committer, ConnectionBroken
from ledger.envelope import Appended
from ledger.errors import Conflict, Refused, Unavailable
from ledger.wire import Encoded

from .ledger_facts import NOON

SETTLE_TIMEOUT_S = 30.0


def writing(*streams: str, reads: Sequence[str] = (), size: int = 10) -> Encoded:
    """A decision as the committer sees it: streams and a size."""
    heads = dict.fromkeys((*streams, *reads), 0)
    return Encoded((b"x" * size,), heads, frozenset(streams), ())


class RecordingSend:
    """Answers every decision in its order. Can be held, and can be told what to do with the next batches."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Encoded]] = []
        self.faults: list[Exception] = []
        self.poison: Encoded | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()

    def __call__(self, batch: Sequence[Encoded]) -> Sequence[Answer]:
        self.arrived.set()
        assert self.gate.wait(SETTLE_TIMEOUT_S)
        self.batches.append(batch)
        if self.faults:
            raise self.faults.pop(0)
        if self.poison in batch:
            raise Refused("poison")
        return [Appended(len(self.batches), NOON, replayed=False) for _ in batch]

    def hold(self) -> None:
        self.gate.clear()
        self.arrived.clear()


@pytest.fixture
def send() -> RecordingSend:
    return RecordingSend()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


Start = Callable[..., Committer]


@pytest.fixture
def start(send: RecordingSend) -> Iterator[Start]:
    started: list[Committer] = []

    def start(**limits: float) -> Committer:
        started.append(Committer(send, **limits))
        return started[-1]

    yield start
    send.gate.set()
    for each in started:
        each.close()


def wait_for(waiting: int, gatherer: Committer) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while gatherer.waiting < waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def queue(
    gatherer: Committer, send: RecordingSend, callers: ThreadPoolExecutor, decisions: Sequence[Encoded]
) -> list[Future[Appended]]:
    """Lets `decisions` wait in this order behind one that is being sent; none is sent before `send.gate` is set."""
    send.hold()
    futures = [callers.submit(gatherer.append, writing("first"))]
    assert send.arrived.wait(SETTLE_TIMEOUT_S)
    for number, each in enumerate(decisions, start=1):
        futures.append(callers.submit(gatherer.append, each))
        wait_for(number, gatherer)
    return futures


def sent_after(send: RecordingSend, futures: Sequence[Future[Appended]]) -> list[Sequence[Encoded]]:
    """The batches behind the first, once every caller has its answer."""
    send.gate.set()
    for each in futures:
        each.exception(SETTLE_TIMEOUT_S)
    return send.batches[1:]


def test_decisions_that_wait_together_are_sent_together(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    decisions = [writing(f"s{number}") for number in range(8)]
    futures = queue(start(), send, callers, decisions)
    assert sent_after(send, futures) == [decisions]
    assert {each.result().first_position for each in futures[1:]} == {2}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (writing("a"), writing("a")),
        (writing("a"), writing("b", reads=["a"])),
        (writing("b", reads=["a"]), writing("a")),
        (writing("a", "b"), writing("c", "b")),
    ],
    ids=["both write", "writes what is read next", "writes what was read", "share one of two"],
)
def test_one_batch_never_holds_two_that_touch(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor, first: Encoded, second: Encoded
) -> None:
    assert sent_after(send, queue(start(), send, callers, [first, second])) == [[first], [second]]


def test_readers_of_one_stream_share_a_batch(send: RecordingSend, start: Start, callers: ThreadPoolExecutor) -> None:
    readers = [writing(f"s{number}", reads=["policy"]) for number in range(4)]
    assert sent_after(send, queue(start(), send, callers, readers)) == [readers]


def test_nothing_overtakes_on_its_own_streams(send: RecordingSend, start: Start, callers: ThreadPoolExecutor) -> None:
    one, two, three = writing("a"), writing("a", "b"), writing("b")
    free = writing("z")
    # `three` touches only what `two` touches, and `two` waits for `one`; it may not go first.
    assert sent_after(send, queue(start(), send, callers, [one, two, three, free])) == [[one, free], [two], [three]]


def test_a_batch_has_a_most_of_decisions(send: RecordingSend, start: Start, callers: ThreadPoolExecutor) -> None:
    futures = queue(start(batch_decisions_max=3), send, callers, [writing(f"s{number}") for number in range(7)])
    assert [len(batch) for batch in sent_after(send, futures)] == [3, 3, 1]


def test_a_batch_has_a_most_of_bytes_and_a_larger_decision_goes_alone(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    sizes = [40, 40, 40, 500, 40]
    decisions = [writing(f"s{number}", size=size) for number, size in enumerate(sizes)]
    batches = sent_after(send, queue(start(batch_bytes_max=100), send, callers, decisions))
    assert [[each.size for each in batch] for batch in batches] == [[40, 40], [40], [500], [40]]


def test_a_long_queue_on_one_stream_is_looked_at_only_so_far(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "LOOK_AHEAD_DECISIONS_MAX", 2)
    hot = [writing("hot") for _ in range(4)]
    free = writing("free")
    batches = sent_after(send, queue(start(), send, callers, [*hot, free]))
    assert batches == [[hot[0]], [hot[1]], [hot[2], free], [hot[3]]]


def test_a_batch_is_sent_again_when_its_connection_broke(send: RecordingSend, start: Start) -> None:
    send.faults = [ConnectionBroken("reset")] * (RESENDS_MAX - 1)
    assert start().append(writing("a")).first_position == RESENDS_MAX


def test_resends_are_bounded_and_the_outcome_is_then_unknown(send: RecordingSend, start: Start) -> None:
    send.faults = [ConnectionBroken("reset")] * RESENDS_MAX
    gatherer = start()
    with pytest.raises(Unavailable, match="not known"):
        gatherer.append(writing("a"))
    assert len(send.batches) == RESENDS_MAX
    gatherer.append(writing("a"))


def test_a_poisoned_decision_harms_only_itself(send: RecordingSend, start: Start, callers: ThreadPoolExecutor) -> None:
    decisions = [writing(f"s{number}") for number in range(5)]
    send.poison = decisions[2]
    futures = queue(start(), send, callers, decisions)
    assert sent_after(send, futures) == [decisions, *([each] for each in decisions)]
    outcomes = [type(each.exception()) for each in futures[1:]]
    assert outcomes == [type(None), type(None), Refused, type(None), type(None)]


def test_an_unavailable_database_is_not_asked_once_for_each(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    futures = queue(start(), send, callers, [writing(f"s{number}") for number in range(5)])
    send.faults = [Unavailable("down"), Unavailable("down")]
    assert len(sent_after(send, futures)) == 1
    assert all(isinstance(each.exception(), Unavailable) for each in futures)


def test_a_conflict_reaches_its_own_caller(start: Start, send: RecordingSend) -> None:
    gatherer = start()
    gatherer._send = lambda batch: [Conflict(batch[0].heads)]
    with pytest.raises(Conflict):
        gatherer.append(writing("a"))


@pytest.mark.parametrize("broken", [lambda _batch: [], lambda _batch: 1 / 0], ids=["no answer", "a bug"])
def test_the_thread_outlives_whatever_a_send_does(
    start: Start, send: RecordingSend, broken: Callable[[Sequence[Encoded]], Sequence[Answer]]
) -> None:
    gatherer = start()
    gatherer._send = broken
    with pytest.raises((IndexError, ZeroDivisionError)):
        gatherer.append(writing("a"))
    gatherer._send = send
    assert gatherer.append(writing("a")).first_position == 1


def test_the_queue_is_bounded(send: RecordingSend, start: Start, callers: ThreadPoolExecutor) -> None:
    gatherer = start(waiting_decisions_max=2)
    futures = queue(gatherer, send, callers, [writing("a"), writing("b")])
    with pytest.raises(Unavailable, match="waiting"):
        gatherer.append(writing("c"))
    assert len(sent_after(send, futures)) == 1


def test_the_wait_is_bounded_and_what_was_not_sent_never_is(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    gatherer = start(answer_wait_s=0.05)
    sending, waiting = queue(gatherer, send, callers, [writing("a")])
    assert "not sent" in str(waiting.exception(SETTLE_TIMEOUT_S))
    assert "not known" in str(sending.exception(SETTLE_TIMEOUT_S))
    send.gate.set()
    gatherer._answer_wait_s = SETTLE_TIMEOUT_S
    last = writing("z")
    gatherer.append(last)
    assert [list(batch[0].written) for batch in send.batches] == [["first"], ["z"]]


def held_next(gatherer: Committer, send: RecordingSend) -> RecordingSend:
    """Lets go of what `send` holds; the batch behind it is being sent, and held, when this returns."""
    behind = RecordingSend()
    behind.hold()
    gatherer._send = behind
    send.gate.set()
    assert behind.arrived.wait(SETTLE_TIMEOUT_S)
    return behind


def test_who_stops_waiting_keeps_nobody_from_an_answer(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    gatherer = start()
    queue(gatherer, send, callers, [])
    *impatient, patient = [gatherer._queued(committer._Ticket(writing(stream))) for stream in "abc"]
    behind = held_next(gatherer, send)
    assert all("not known" in str(gatherer._answer_to(each, 0.01)) for each in impatient)
    answer = callers.submit(gatherer._answer_to, patient, 60)
    behind.gate.set()
    assert isinstance(answer.result(SETTLE_TIMEOUT_S), Appended)


def test_who_waits_for_several_answers_keeps_nobody_from_one(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    """Of three, the second goes with a later batch. The third has its answer, and so has who is behind it."""
    gatherer = start()
    queue(gatherer, send, callers, [])
    three = callers.submit(gatherer.append_all, [writing("a"), writing("a"), writing("b")], 60)
    wait_for(3, gatherer)
    one = callers.submit(gatherer.append, writing("c"))
    wait_for(4, gatherer)
    behind = held_next(gatherer, send)
    last = held_next(gatherer, behind)
    assert [len(batch) for batch in behind.batches] == [3]
    assert isinstance(one.result(SETTLE_TIMEOUT_S), Appended)
    last.gate.set()
    assert len(three.result(SETTLE_TIMEOUT_S)) == 3


@pytest.fixture
def interrupted_by() -> Iterator[signal.Signals]:
    """Raises KeyboardInterrupt in the thread that runs the tests; SIGINT is ignored where several processes do."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_who_is_interrupted_keeps_nobody_from_an_answer(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor, interrupted_by: signal.Signals
) -> None:
    gatherer = start()
    queue(gatherer, send, callers, [])
    main = threading.get_ident()

    def interrupted() -> tuple[RecordingSend, Future[Appended]]:
        wait_for(1, gatherer)
        one = callers.submit(gatherer.append, writing("b"))
        wait_for(2, gatherer)
        behind = held_next(gatherer, send)
        signal.pthread_kill(main, interrupted_by)
        return behind, one

    conducting = callers.submit(interrupted)
    with pytest.raises(KeyboardInterrupt):
        gatherer.append(writing("a"))
    behind, one = conducting.result(SETTLE_TIMEOUT_S)
    behind.gate.set()
    assert isinstance(one.result(SETTLE_TIMEOUT_S), Appended)


def test_closing_sends_what_waits_and_takes_no_more(
    send: RecordingSend, start: Start, callers: ThreadPoolExecutor
) -> None:
    gatherer = start()
    futures = queue(gatherer, send, callers, [writing("a"), writing("a")])
    send.gate.set()
    gatherer.close()
    assert all(each.result(SETTLE_TIMEOUT_S) for each in futures)
    with pytest.raises(Unavailable, match="closed"):
        gatherer.append(writing("b"))

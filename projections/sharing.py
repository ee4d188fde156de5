"""A replay of a large ledger by two processes: one alone would leave half of the second core idle.

The ledger is cut into more shares than there are processes, and each process takes the next one when it is done with
one: who starts later or has the dearer events takes fewer, and nobody waits long for the other in the end. The other
process has connections of its own and writes its shares in one transaction: when either process dies, nothing of them
is there. It holds its tables meanwhile, so that the next rebuild cannot drop them under it.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection as Pipe

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from ledger.keepalives import KEEPALIVES, noticing
from ledger.mapper import FactMapper
from ledger.payloads import ReadPayload
from projections.errors import ShareLost
from projections.port import Projection
from projections.replay import Replay
from projections.shares import Share, count, cut

PROCESSES = 2
SHARES = 24
"""Of a replay by several processes. Each is a second's work and less with a million events; a share costs 10 ms."""
SHARED_EVENTS_MIN = 100_000
"""Events from which on a second process is started: it takes a second."""

OnProgress = Callable[[int, int], None]
"""Called with the events done and their total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is replayed, and where. Goes to another process as it is."""

    url: str = field(repr=False)
    """Of the database, as libpq takes it; it may hold a password."""
    projections: Sequence[Projection]
    payloads: ReadPayload
    """Reads those of closed segments."""


def replay(
    work: Work, source: Connection[TupleRow], target: Connection[TupleRow], on_progress: OnProgress, *, until: int
) -> None:
    """Fills the next schemas with everything up to position `until`, but what the database fills.

    Raises RebuildRefused at the first bad event, and ShareLost when the other process was killed.
    """
    total = count(source, work.projections, until=until)
    on_progress(0, total)
    is_shared = total >= SHARED_EVENTS_MIN
    shares = cut(source, work.projections, until=until, number=SHARES if is_shared else 1)
    with ExitStack() as stack:
        numbers = stack.enter_context(_numbers(len(shares)))
        others = range(PROCESSES - 1 if is_shared else 0)
        processes = [stack.enter_context(_started(work, shares, numbers)) for _ in others]

        def told(done: int) -> None:
            on_progress(done + sum(each.done() for each in processes), total)

        mapper = FactMapper(payloads=work.payloads)
        done = Replay(mapper, work.projections, told).run(source, target, _taken(shares, numbers))
        for each in processes:
            each.wait(lambda: told(done))


@contextmanager
def _numbers(count: int) -> Iterator[Pipe]:
    """A pipe of `count` bytes, the numbers from 0, each of which is read once, by whichever process comes first.

    Unlike a lock it cannot be left taken by a process that was killed.
    """
    here, there = multiprocessing.get_context("spawn").Pipe(duplex=False)
    with here:
        with there:
            os.write(there.fileno(), bytes(range(count)))
        yield here


def _taken(shares: Sequence[Share], numbers: Pipe) -> Iterator[Share]:
    """The shares that nobody else has taken, one after the other."""
    while number := os.read(numbers.fileno(), 1):
        yield shares[number[0]]


class _Process:
    """Another process that takes shares, seen from here."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._done = 0
        self._is_finished = False

    def done(self) -> int:
        """How many events it has replayed. Raises what it raised."""
        while not self._is_finished and self._pipe.poll():
            self._receive()
        return self._done

    def wait(self, on_done: Callable[[], None]) -> None:
        """Until its shares are written. Raises what it raised."""
        while not self._is_finished:
            self._receive()
            on_done()

    def _receive(self) -> None:
        try:
            said = self._pipe.recv()
        except EOFError as error:
            raise ShareLost("a process that replayed shares ended without a word") from error
        if isinstance(said, Exception):
            raise said
        if said is None:
            self._is_finished = True
        else:
            self._done = said


@contextmanager
def _started(work: Work, shares: Sequence[Share], numbers: Pipe) -> Iterator[_Process]:
    """A process that replays shares. It is ended when the block is left early."""
    # Spawned, not forked: this process has threads, and whatever locks they hold would stay held in a copy.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_replay_shares, args=(work, shares, numbers, there), daemon=True)
    with _interrupts_held():
        process.start()
    there.close()  # so that its end is heard
    try:
        yield _Process(here)
    finally:
        here.close()
        process.terminate()  # it has written its shares, or nobody wants them
        process.join()
        process.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Inside, Ctrl-C is kept for later, and for good in a process that is started: it tells of its end while it loads.

    A terminal sends it to every process of a command.
    """
    resource_tracker.ensure_running()  # begun by the first start, it would let interrupts in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _replay_shares(work: Work, shares: Sequence[Share], numbers: Pipe, pipe: Pipe) -> None:
    """The whole life of the other process. It ends, and takes back what it wrote, when nobody listens any more.

    Interrupts are held from it: whoever started it ends it.
    """
    sys.stdout = sys.stderr  # what is logged here is no part of a command's answer
    url = noticing(work.url)
    with suppress(BrokenPipeError):
        try:
            with psycopg.connect(url, autocommit=True) as source, psycopg.connect(url) as target:
                _hold_tables(target, work.projections)
                own = Replay(FactMapper(payloads=work.payloads), work.projections, pipe.send)
                own.run(source, target, _taken(shares, numbers))
        except Exception as error:  # noqa: BLE001 - raised again where the rebuild is
            pipe.send(error)
        else:
            pipe.send(None)


def _hold_tables(target: Connection[TupleRow], projections: Sequence[Projection]) -> None:
    # The tables are let go of when this machine is lost, too.
    target.execute("select set_config('idle_in_transaction_session_timeout', '0', true), " + KEEPALIVES)
    for projection in projections:
        for table in projection.tables if projection.rows is not None else ():
            name = sql.Identifier(projection.next_schema, table)
            target.execute(sql.SQL("lock table {} in row exclusive mode").format(name))

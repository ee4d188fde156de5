"""Appends from an event loop: what the committer's threads promise, without holding up the loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.async_committer import AsyncCommitter
from ledger.committer import BATCH_DECISIONS_MAX
from ledger.envelope import Appended, Decision
from ledger.errors import Conflict, Refused, Unavailable
from ledger.recorder import PostgresRecorder
from ledger.wire import Encoded, encode_decision

from .conftest import POOL_CONNECTIONS_MAX
from .ledger_facts import decision, new_stream, rows_of

LOCK = "SELECT pg_advisory_lock(7305809, 1)"
UNLOCK = "SELECT pg_advisory_unlock(7305809, 1)"
WAITING = (
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
)
"""Who waits to append to this ledger; the server has others."""
TIMEOUT_S = 60.0


def some(count: int = 3) -> list[Decision]:
    return [decision((new_stream(), 0)) for _ in range(count)]


def encoded(decided: Decision) -> Encoded:
    return encode_decision(rows_of(decided), decided.heads)


def ids(decisions: Sequence[Decision]) -> list[object]:
    return [each.event_id for decided in decisions for each in decided.events]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))


@contextmanager
def held(url: str) -> Iterator[psycopg.Connection]:
    """Nobody can append."""
    with psycopg.connect(url, autocommit=True) as blocker:
        blocker.execute(LOCK)
        yield blocker


async def until_it_waits(blocker: psycopg.Connection) -> None:
    """Until somebody waits to append."""
    while not blocker.execute(WAITING).fetchall():  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.01)


async def connected(ledger: Ledger) -> list[Decision]:
    """The first batch goes through threads and leaves a connection for those behind it."""
    first = some(1)
    assert [type(each) for each in await ledger.append_all(first)] == [Appended]
    assert ledger.recorder._async_sender.is_connected
    return first


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on nothing is left to the committer."""

    def forbid() -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a thread")

        monkeypatch.setattr(AsyncCommitter, "_leave_to_committer", refuse)

    return forbid


def test_other_things_are_done_while_the_ledger_writes(
    ledger: Ledger, ledger_url: str, no_threads: Callable[[], None]
) -> None:
    async def scenario() -> None:
        first, others = await connected(ledger), some()
        no_threads()
        with held(ledger_url) as blocker:
            task = asyncio.create_task(ledger.append_all(others))
            await until_it_waits(blocker)
            assert not task.done()
            blocker.execute(UNLOCK)
            answers = await task
        assert [each.first_position for each in answers if isinstance(each, Appended)] == [2, 3, 4]
        assert ids([*first, *others]) == [each.event_id for each in ledger.read(0)]

    run(scenario)


def test_those_that_touch_are_appended_one_behind_the_other(ledger: Ledger, no_threads: Callable[[], None]) -> None:
    stream = new_stream()

    async def scenario() -> None:
        await connected(ledger)
        no_threads()
        sent = [decision((stream, 0)), decision((stream, 0)), decision((stream, 1)), decision((new_stream(), 0))]
        kinds = [type(each) for each in await ledger.append_all(sent)]
        assert kinds == [Appended, Conflict, Appended, Appended]

    run(scenario)
    assert [each.version for each in ledger.history(stream)] == [1, 2]


def test_more_than_one_batch_takes_keep_their_order(ledger: Ledger, no_threads: Callable[[], None]) -> None:
    many = some(BATCH_DECISIONS_MAX + 40)

    async def scenario() -> None:
        await connected(ledger)
        no_threads()
        answers = await ledger.append_all(many)
        assert [each.first_position for each in answers if isinstance(each, Appended)] == [*range(2, len(many) + 2)]

    run(scenario)
    assert ids(many) == [each.event_id for each in ledger.read(1)]


def test_callers_at_the_same_time_take_turns(ledger: Ledger) -> None:
    async def scenario() -> None:
        await connected(ledger)
        answers = await asyncio.gather(*(ledger.append_all(some()) for _ in range(8)))
        positions = [each.first_position for batch in answers for each in batch if isinstance(each, Appended)]
        assert sorted(positions) == [*range(2, 26)]

    run(scenario)


@pytest.mark.parametrize("stream", ["x" * 200, "render:\0"], ids=["long", "NUL"])
def test_a_poisoned_one_does_not_stop_its_neighbours(recorder: PostgresRecorder, stream: str) -> None:
    ledger = Ledger(recorder)
    rows = [replace(row, originator_id=stream) for row in rows_of(decision((new_stream(), 0)))]

    async def scenario() -> None:
        await connected(ledger)
        before, after = (encoded(each) for each in some(2))
        committer = recorder._async_committer
        first, refused, last = await committer.append_all([before, encode_decision(rows, {stream: 0}), after])
        assert [type(each) for each in (first, refused, last)] == [Appended, Refused, Appended]

    run(scenario)
    assert ledger.head() == 3


def test_a_connection_that_breaks_off_costs_no_error_and_doubles_nothing(ledger: Ledger, ledger_url: str) -> None:
    async def scenario() -> None:
        await connected(ledger)
        for _ in range(3):
            ended, others = some(), some()
            with held(ledger_url) as blocker:
                task = asyncio.create_task(ledger.append_all(ended))
                await until_it_waits(blocker)
                for waiting in blocker.execute(WAITING).fetchall():
                    blocker.execute("SELECT pg_terminate_backend(%s)", waiting)
                blocker.execute(UNLOCK)
                answers = await task
            assert [type(each) for each in answers] == [Appended] * 3
            assert ledger.recorder._async_sender.is_connected
            assert [type(each) for each in await ledger.append_all(others)] == [Appended] * 3
            assert ids([*ended, *others]) == [each.event_id for each in ledger.read(ledger.head() - 6)]

    run(scenario)


def test_what_was_written_when_the_answer_was_lost_gets_its_first_answer(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = ledger.recorder._async_sender
    send = sender.send

    async def deaf(batch: Sequence[Encoded]) -> object:
        await send(batch)
        monkeypatch.setattr(sender, "send", send)
        connection = sender._connection
        connection.close()
        raise sender._cause(psycopg.OperationalError("the connection is lost"), connection)

    async def scenario() -> None:
        await connected(ledger)
        monkeypatch.setattr(sender, "send", deaf)
        answers = await ledger.append_all(some())
        assert [each.replayed for each in answers if isinstance(each, Appended)] == [True] * 3
        assert ledger.head() == 4

    run(scenario)


def test_a_database_that_does_not_answer_is_given_up_and_takes_no_connection_away(
    ledger: Ledger, ledger_url: str
) -> None:
    async def scenario() -> None:
        for _ in range(POOL_CONNECTIONS_MAX + 1):
            await connected(ledger)
            ledger.recorder._async_committer._answer_wait_s = 0.1
            with held(ledger_url):
                answers = await ledger.append_all(some())
            assert [str(each) for each in answers if isinstance(each, Unavailable)] == [
                "no answer in time; it is not known whether the decision was written"
            ] * 3
            assert not ledger.recorder._async_sender.is_connected
            ledger.recorder._async_committer._answer_wait_s = TIMEOUT_S

    run(scenario)


def test_who_is_cancelled_leaves_a_ledger_that_goes_on(ledger: Ledger, ledger_url: str) -> None:
    async def scenario() -> None:
        await connected(ledger)
        with held(ledger_url) as blocker:
            task = asyncio.create_task(ledger.append_all(some()))
            await until_it_waits(blocker)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await connected(ledger)

    run(scenario)


def test_a_lock_that_is_not_had_in_time_is_unavailable_at_once(ledger_url: str) -> None:
    with open_pool(ledger_url, size_max=3, lock_timeout_s=0.2) as pool:
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder)

        async def scenario() -> None:
            await connected(ledger)
            with held(ledger_url):
                answers = await ledger.append_all(some(1))
            assert [str(each) for each in answers] == ["the database cannot append now: LockNotAvailable"]
            assert recorder._async_sender.is_connected

        run(scenario)
        recorder.close()


def test_one_event_loop_may_come_after_another(ledger: Ledger, no_threads: Callable[[], None]) -> None:
    async def appended() -> None:
        assert [type(each) for each in await ledger.append_all(some())] == [Appended] * 3

    run(lambda: connected(ledger))
    no_threads()
    for _ in range(3):
        run(appended)

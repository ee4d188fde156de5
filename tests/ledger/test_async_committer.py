"""Appends from an event loop: what the committer's threads promise, without holding up the loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from bickford_sora.database.pool import CHECKOUT_TIMEOUT_S, open_pool
from ledger.application import Ledger
from ledger.committer import BATCH_DECISIONS_MAX, Committer
from ledger.envelope import Appended, Decision
from ledger.errors import Conflict, Refused, Unavailable
from ledger.recorder import PostgresRecorder
from ledger.sending import Pool
from ledger.wire import Encoded, encode_decision

from .conftest import POOL_CONNECTIONS_MAX
from .ledger_facts import LOCK, UNLOCK, decision, new_stream, rows_of

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
    """Nobody can append, and at once behind it everybody: a server's session ends some time behind its connection."""
    with psycopg.connect(url, autocommit=True) as blocker:
        blocker.execute(LOCK)
        yield blocker
        blocker.execute("SELECT pg_advisory_unlock_all()")


async def until_it_waits(blocker: psycopg.Connection) -> None:
    """Until somebody waits to append."""
    while not blocker.execute(WAITING).fetchall():  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.01)


async def connected(ledger: Ledger) -> list[Decision]:
    """The first batch goes through a thread and leaves a connection for those behind it."""
    first = some(1)
    assert [type(each) for each in await ledger.append_all(first)] == [Appended]
    await until_free(ledger)
    return first


async def until_free(ledger: Ledger) -> None:
    """Until a connection is there."""
    while not ledger.recorder._async_sender.is_free:  # noqa: ASYNC110 - a thread tells nobody
        await asyncio.sleep(0.01)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on nothing is left to the committer."""

    def forbid() -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a thread")

        monkeypatch.setattr(Committer, "append_all", refuse)

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


def test_callers_at_the_same_time_do_not_mix(ledger: Ledger) -> None:
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
            await until_free(ledger)
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
            assert ledger.recorder._async_sender._connection is None
            ledger.recorder._async_committer._answer_wait_s = TIMEOUT_S

    run(scenario)


def test_what_would_wait_behind_it_is_given_up_with_it(
    ledger: Ledger, ledger_url: str, no_threads: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, sender, sent = new_stream(), ledger.recorder._async_sender, 0
    send = sender.send

    async def counted(batch: Sequence[Encoded]) -> Sequence[object]:
        nonlocal sent
        sent += 1
        return await send(batch)

    async def scenario() -> None:
        await connected(ledger)
        no_threads()
        monkeypatch.setattr(sender, "send", counted)
        ledger.recorder._async_committer._answer_wait_s = 0.1
        with held(ledger_url):
            answers = await ledger.append_all([decision((stream, 0)) for _ in range(6)])
        assert [type(each) for each in answers] == [Unavailable] * 6
        assert sent == 1

    run(scenario)


def test_the_event_loop_sleeps_while_it_waits(ledger: Ledger, ledger_url: str) -> None:
    async def scenario() -> None:
        await connected(ledger)
        with held(ledger_url) as blocker:
            task = asyncio.create_task(ledger.append_all(some()))
            await until_it_waits(blocker)
            began_s = time.thread_time()
            await asyncio.sleep(1.0)
            assert time.thread_time() - began_s < 0.5
            blocker.execute(UNLOCK)
            await task

    run(scenario)


def test_each_batch_is_observed(ledger_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    observed: list[int] = []
    recorder = PostgresRecorder(ledger_pool, observe=lambda decisions, _: observed.append(decisions))
    ledger = Ledger(recorder)

    async def scenario() -> None:
        await connected(ledger)
        await ledger.append_all(some(3))
        monkeypatch.setattr("ledger.async_committer.BATCH_BYTES_MAX", 1)
        await ledger.append_all(some(2))

    run(scenario)
    recorder.close()
    assert observed == [1, 3, 1, 1]


def test_a_ledger_that_is_closed_meanwhile_finishes_the_batch_and_keeps_no_connection(
    ledger: Ledger, ledger_url: str, ledger_pool: Pool
) -> None:
    async def scenario() -> None:
        await connected(ledger)
        with held(ledger_url) as blocker:
            task = asyncio.create_task(ledger.append_all(some()))
            await until_it_waits(blocker)
            await asyncio.to_thread(ledger.recorder.close)
            blocker.execute(UNLOCK)
            assert [type(each) for each in await task] == [Appended] * 3
        assert ledger.recorder._async_sender._connection is None
        assert [type(each) for each in await ledger.append_all(some(1))] == [Unavailable]

    run(scenario)
    assert ledger_pool.get_stats()["pool_available"] == ledger_pool.get_stats()["pool_size"]


def test_an_answer_does_not_wait_for_the_connection_behind_it(ledger_url: str) -> None:
    with open_pool(ledger_url, size_max=2) as pool, pool.connection():  # the committer has the other one
        recorder = PostgresRecorder(pool)

        async def scenario() -> None:
            for _ in range(3):
                assert [type(each) for each in await Ledger(recorder).append_all(some())] == [Appended] * 3

        asyncio.run(asyncio.wait_for(scenario(), CHECKOUT_TIMEOUT_S))
        recorder.close()


def test_a_read_only_connection_is_given_back(ledger: Ledger, no_threads: Callable[[], None]) -> None:
    async def scenario() -> None:
        await connected(ledger)
        no_threads()
        sender = ledger.recorder._async_sender
        sender._connection.execute("SET default_transaction_read_only = on")
        assert [type(each) for each in await ledger.append_all(some(1))] == [Unavailable]
        assert sender._connection is None

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
        assert ledger.recorder._async_sender._connection is None
        await connected(ledger)

    run(scenario)


def test_a_lock_that_is_not_had_in_time_is_unavailable_at_once(ledger_url: str, no_threads: Callable[[], None]) -> None:
    with open_pool(ledger_url, size_max=3, lock_timeout_s=0.2) as pool:
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder)

        async def scenario() -> None:
            await connected(ledger)
            no_threads()
            with held(ledger_url):
                answers = await ledger.append_all(some(1))
            assert [str(each) for each in answers] == ["the database cannot append now: LockNotAvailable"]
            assert recorder._async_sender.is_free

        run(scenario)
        recorder.close()


def test_one_event_loop_may_come_after_another(ledger: Ledger, no_threads: Callable[[], None]) -> None:
    async def appended() -> None:
        assert [type(each) for each in await ledger.append_all(some())] == [Appended] * 3

    async def together() -> None:
        await asyncio.gather(*(appended() for _ in range(4)))

    run(lambda: connected(ledger))
    for _ in range(3):
        run(together)
    no_threads()
    for _ in range(3):
        run(appended)

"""What only the ledger in PostgreSQL can show: group commit, a database that refuses, and plans that stay."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.envelope import Appended, Decision
from ledger.errors import Conflict, Refused, Unavailable
from ledger.keystore import PostgresKeyStore
from ledger.recorder import PostgresRecorder
from ledger.sending import Pool
from ledger.sql import query
from ledger.wire import Encoded, encode_decision

from . import version_before
from .ledger_facts import LOCK, UNLOCK, decision, new_id, new_stream, rows_of

WRITERS = 16
DECISIONS_PER_WRITER = 40


@contextmanager
def _ledger_with(url: str, **options: str) -> Iterator[Ledger]:
    """A ledger whose sessions have these server settings."""
    settings = " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in options.items())
    with open_pool(conninfo.make_conninfo(url, options=settings), size_max=2, lock_timeout_s=0.2) as pool:
        recorder = PostgresRecorder(pool)
        yield Ledger(recorder)
        recorder.close()


def _wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _outcome(ledger: Ledger, decided: Decision) -> str:
    try:
        ledger.append(decided)
    except Conflict:
        return "refused"
    return "accepted"


def test_facts_that_were_taken_out_stop_nobody_who_picks_some(ledger: Ledger, ledger_url: str) -> None:
    ledger.append(decision((new_stream(), 0), facts=9))
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owner.execute("alter table ledger.events disable trigger user")
        owner.execute("delete from ledger.events where position between 3 and 7")
    seen, after = [], 0
    while after < ledger.head():
        found, after = ledger.pick(after, {"render.remixed"}, limit=2)
        seen += [each.position for each in found]
    assert (seen, after) == ([1, 2, 8, 9], 9)


def test_of_many_decisions_at_once_exactly_the_stale_ones_are_refused(ledger: Ledger) -> None:
    policy = new_stream()
    ledger.append(decision((policy, 0)))
    sent: list[int] = []
    send = ledger.recorder._committer._send

    def counting_send(batch: Sequence[Encoded]) -> Sequence[object]:
        sent.append(len(batch))
        return send(batch)

    ledger.recorder._committer._send = counting_send

    def decide(number: int) -> tuple[str, str]:
        match number % 4:
            case 0 | 1:
                return "accepted", _outcome(
                    ledger, decision((new_stream(), 0), reads={policy: 1}, facts=1 + number % 3)
                )
            case 2:  # stale by a stream that it only read
                return "refused", _outcome(ledger, decision((new_stream(), 0), reads={policy: 0}))
            case _:  # stale by one of two streams that it writes
                return "refused", _outcome(ledger, decision((new_stream(), 0), (new_stream(), 3)))

    total = WRITERS * DECISIONS_PER_WRITER
    with ThreadPoolExecutor(WRITERS) as writers:
        outcomes = list(writers.map(decide, range(total)))
    assert all(expected == actual for expected, actual in outcomes)
    assert outcomes.count(("accepted", "accepted")) == total // 2
    assert [each.position for each in ledger.read(0)] == list(range(1, ledger.head() + 1))
    assert sum(sent) == total
    assert max(sent) > 1  # they shared commits
    assert len(sent) < total / 2


def test_in_one_call_a_retry_a_refusal_and_what_is_new_get_their_own_answers(ledger: Ledger) -> None:
    first, stream = decision((new_stream(), 0), facts=2), new_stream()
    before = ledger.append(first)
    stale = decision((new_stream(), 1), facts=2)
    renamed = replace(first, events=tuple(each._replace(event_id=new_id()) for each in first.events))
    changed = replace(first, events=(first.events[0], renamed.events[1]))
    batch = [stale, decision((stream, 0), facts=3), first, renamed, decision((new_stream(), 0)), changed]
    answers = ledger.recorder._sender.send([encode_decision(rows_of(each), each.heads) for each in batch])
    assert [type(each) for each in answers] == [Conflict, Appended, Appended, Conflict, Appended, Conflict]
    assert answers[2] == before._replace(replayed=True)
    assert [answers[number].first_position for number in (1, 4)] == [3, 6]
    assert [(each.position, each.version) for each in ledger.history(stream)] == [(3, 1), (4, 2), (5, 3)]
    assert ledger.head() == 6


def test_a_process_of_the_version_before_appends_beside_the_present_one(ledger: Ledger, ledger_url: str) -> None:
    ledger.append(decision((new_stream(), 0), facts=2))
    stream = new_stream()
    with psycopg.connect(ledger_url, autocommit=True) as before:
        assert version_before.append(before, decision((stream, 0), facts=2)) == ("appended", 3)
        assert ledger.append(decision((new_stream(), 0))).first_position == 5
        assert version_before.append(before, decision((stream, 0))) == ("conflict", None)
        assert version_before.append(before, decision((stream, 2))) == ("appended", 6)
    assert [each.version for each in ledger.history(stream)] == [1, 2, 3]


def test_one_stream_written_by_many_gets_every_version_once(ledger: Ledger) -> None:
    stream = new_stream()

    def append_behind_head(_writer: int) -> None:
        for _ in range(5):
            while _outcome(ledger, decision((stream, len(ledger.history(stream))))) == "refused":
                pass

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(append_behind_head, range(4)))
    assert [each.version for each in ledger.history(stream)] == list(range(1, 21))


def _poison(stream: str) -> Encoded:
    """A decision past our own checks, so that the database has to refuse it."""
    rows = [replace(row, originator_id=stream) for row in rows_of(decision((new_stream(), 0)))]
    return encode_decision(rows, {stream: 0})


@pytest.mark.parametrize("stream", ["x" * 200, "render:\0", "y" * 4_000_000], ids=["long", "NUL", "huge"])
def test_a_poisoned_decision_inside_a_batch_does_not_stop_its_neighbours(
    ledger: Ledger, ledger_url: str, stream: str
) -> None:
    committer = ledger.recorder._committer
    neighbours = [decision((new_stream(), 0)) for _ in range(6)]
    with ThreadPoolExecutor(8) as callers, psycopg.connect(ledger_url, autocommit=True) as blocker:
        blocker.execute(LOCK)
        first = callers.submit(ledger.append, decision((new_stream(), 0)))  # alone in a batch, waiting for the lock
        _wait_until(lambda: not first.done() and committer.waiting == 0)
        before: list[Future[Appended]] = [callers.submit(ledger.append, each) for each in neighbours[:3]]
        _wait_until(lambda: committer.waiting == 3)
        poisoned = callers.submit(committer.append, _poison(stream))
        _wait_until(lambda: committer.waiting == 4)
        after = [callers.submit(ledger.append, each) for each in neighbours[3:]]
        _wait_until(lambda: committer.waiting == 7)
        blocker.execute(UNLOCK)
        with pytest.raises(Refused, match="the database refused"):
            poisoned.result()
        assert not any(each.result().replayed for each in before + after)
    assert ledger.head() == 7


def test_the_database_error_says_nothing_of_what_was_sent(recorder: PostgresRecorder) -> None:
    with pytest.raises(Refused) as refused:
        recorder._committer.append(_poison("secret" * 50))
    assert "secret" not in str(refused.value)


def test_a_read_only_server_is_unavailable(ledger_url: str) -> None:
    with _ledger_with(ledger_url, default_transaction_read_only="on") as ledger:
        with pytest.raises(Unavailable, match="read-only"):
            ledger.append(decision((new_stream(), 0)))
        with pytest.raises(Unavailable):
            PostgresKeyStore(ledger.recorder).add_all({"key_1": b"wrapped"})
        assert ledger.head() == 0


def test_an_old_snapshot_is_refused_by_the_append_itself(ledger_url: str) -> None:
    with (
        _ledger_with(ledger_url, default_transaction_isolation="repeatable read") as ledger,
        pytest.raises(Refused, match="InvalidTransactionState"),
    ):
        ledger.append(decision((new_stream(), 0)))


def test_a_lock_that_is_not_had_in_time_is_unavailable_and_nothing_is_written(ledger_url: str) -> None:
    waiting = decision((new_stream(), 0))
    with _ledger_with(ledger_url) as ledger:
        with psycopg.connect(ledger_url, autocommit=True) as blocker:
            blocker.execute(LOCK)
            with pytest.raises(Unavailable, match="LockNotAvailable"):
                ledger.append(waiting)
            blocker.execute(UNLOCK)  # a server's session ends some time behind its connection
        assert not ledger.append(waiting).replayed


def test_a_closed_pool_is_unavailable(ledger: Ledger, ledger_pool: Pool) -> None:
    ledger_pool.close()
    with pytest.raises(Unavailable):
        ledger.append(decision((new_stream(), 0)))
    with pytest.raises(Unavailable):
        ledger.read(0)


def test_a_closed_pool_gets_its_connection_back_without_a_word(ledger: Ledger, ledger_pool: Pool) -> None:
    ledger.append(decision((new_stream(), 0)))
    ledger_pool.close()
    ledger.recorder.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.events SET actor = 'somebody else'",
        "UPDATE ledger.events SET payload = ''",
        "DELETE FROM ledger.events",
        "TRUNCATE ledger.events",
        "TRUNCATE ledger.events CASCADE",
        "SET session_replication_role = replica; DELETE FROM ledger.events",
        "SET session_replication_role = replica; TRUNCATE ledger.events",
        "MERGE INTO ledger.events USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO ledger.events SELECT * FROM ledger.events ON CONFLICT (position) DO UPDATE SET actor = 'x'",
    ],
)
def test_the_database_refuses_to_rewrite_history_even_to_the_tables_owner(
    ledger: Ledger, ledger_url: str, statement: str
) -> None:
    ledger.append(decision((new_stream(), 0)))
    written = ledger.read(0)
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owned = owner.execute(
            "SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = 'ledger.events'::regclass"
        ).fetchone()
        assert owned == (True,)
        with pytest.raises(psycopg.errors.RestrictViolation, match="only grows"):
            owner.execute(statement)
    assert ledger.read(0) == written


def test_only_whom_the_owner_names_may_append(ledger_url: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        granted = connection.execute(
            "SELECT has_function_privilege('pg_monitor', oid, 'execute') FROM pg_proc WHERE proname = 'append'"
        ).fetchall()
    assert granted == [(False,), (False,)]


def test_who_could_append_before_an_upgrade_still_may(database_url: str, tmp_path: Path) -> None:
    for file in files("ledger.migrations").iterdir():
        if file.name < "0007" and file.name.endswith(".sql"):
            tmp_path.joinpath(file.name).write_bytes(file.read_bytes())
    migrate(database_url, tmp_path, schema="ledger")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("create role bickford_before")
        try:
            assert owner.execute(query("may_append")).fetchone() == (True,), "its owner, in the older form"
            owner.execute("grant usage on schema ledger to bickford_before")
            owner.execute("grant select on ledger.events to bickford_before")
            owner.execute("grant execute on function ledger.append to bickford_before")
            migrate(database_url, files("ledger.migrations"), schema="ledger")
            owner.execute("set role bickford_before")
            assert owner.execute(query("may_append")).fetchone() == (True,)
            with _ledger_with(database_url, role="bickford_before") as ledger:
                assert ledger.append(decision((new_stream(), 0))).first_position == 1
        finally:
            owner.execute("reset role")
            owner.execute("drop owned by bickford_before")
            owner.execute("drop role bickford_before")


def test_a_plan_made_while_the_table_was_empty_never_scans_it(ledger: Ledger, ledger_url: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as connection:

        def scans() -> tuple[int, int]:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            return connection.execute(
                "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relid = 'ledger.events'::regclass"
            ).fetchone()

        ledger.append(decision((new_stream(), 0)))
        settings = connection.execute(
            "SELECT proconfig FROM pg_proc WHERE oid = 'ledger.append(ledger.fact[], ledger.head[])'::regprocedure"
        ).fetchone()
        assert {"enable_seqscan=off", "plan_cache_mode=force_generic_plan"} <= set(settings[0])
        for _ in range(20):
            ledger.append(decision((new_stream(), 0)))
            with pytest.raises(Conflict):
                ledger.append(decision((new_stream(), 7)))
        ledger.recorder.close()  # its session ends with the pool's; until then its counts are its own
        ledger.recorder._pool.close()
        _wait_until(lambda: scans()[1] > 40)
        assert scans()[0] < 5  # the migration's own, when it built the indexes


def test_a_refused_decision_rings_no_bell(ledger: Ledger, ledger_url: str) -> None:
    stream = new_stream()
    with psycopg.connect(ledger_url, autocommit=True) as listener:
        listener.execute("LISTEN ledger")
        ledger.append(decision((stream, 0)))
        assert len(list(listener.notifies(timeout=60, stop_after=1))) == 1
        with pytest.raises(Conflict):
            ledger.append(decision((stream, 0)))
        assert list(listener.notifies(timeout=0.1)) == []


def test_a_decision_taken_back_before_it_was_sent_is_not_written(ledger_url: str, ledger_pool: Pool) -> None:
    recorder = PostgresRecorder(ledger_pool)
    recorder._committer._answer_wait_s = 0.1
    first, second = decision((new_stream(), 0)), decision((new_stream(), 0))
    answers: list[str] = []

    def append(decided: Decision) -> None:
        with pytest.raises(Unavailable) as unavailable:
            Ledger(recorder).append(decided)
        answers.append(str(unavailable.value))

    with psycopg.connect(ledger_url, autocommit=True) as blocker:
        blocker.execute(LOCK)
        for decided in (first, second):
            thread = threading.Thread(target=append, args=(decided,))
            thread.start()
            thread.join()
    recorder.close()
    assert ["not known" in answers[0], "was not sent" in answers[1]] == [True, True]
    assert [each.event_id for each in Ledger(recorder).read(0)] == [first.events[0].event_id]

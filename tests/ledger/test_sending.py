"""What the sender leaves on its connection, and what it finds there."""

import os
import signal
import time
from dataclasses import replace
from importlib.resources import files

import psycopg
import pytest
from psycopg import Connection, conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.errors import Refused, Unavailable
from ledger.recorder import PostgresRecorder

from .ledger_facts import decision, new_stream

GONE_TIMEOUT_S = 30.0


def test_texts_are_stored_as_written_whatever_the_connections_encoding(ledger_url: str) -> None:
    decided = decision((new_stream(), 0))
    (event,) = decided.events
    named = replace(decided, events=(event._replace(context=event.context._replace(actor="Zoë")),))
    with open_pool(conninfo.make_conninfo(ledger_url, client_encoding="LATIN1"), size_max=2) as pool:
        recorder = PostgresRecorder(pool)
        Ledger(recorder).append(named)
        recorder.close()
    with open_pool(ledger_url, size_max=2) as pool, pool.connection() as connection:
        assert connection.execute("SELECT actor FROM ledger.events").fetchall() == [("Zoë",)]


def test_a_connection_that_is_taken_again_and_again_has_one_statement(ledger_url: str) -> None:
    with open_pool(ledger_url, size_max=1) as pool:
        for _ in range(3):
            recorder = PostgresRecorder(pool)
            Ledger(recorder).append(decision((new_stream(), 0)))
            recorder.close()
        with pool.connection() as connection:
            count = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'ledger_append%'"
            assert connection.execute(count).fetchone() == (1,)


def test_a_read_only_connection_is_not_kept_and_the_next_one_is_looked_at(ledger_url: str) -> None:
    opened: list[int] = []
    url = conninfo.make_conninfo(ledger_url, options="-c default_transaction_read_only=on")
    with open_pool(url, size_max=1, look=lambda each: opened.append(each.info.backend_pid)) as pool:
        recorder = PostgresRecorder(pool)
        for _ in range(2):
            with pytest.raises(Unavailable, match="read-only"):
                Ledger(recorder).append(decision((new_stream(), 0)))
        recorder.close()
        assert len(set(opened)) >= 2


def test_a_statement_that_the_session_lost_is_prepared_again(recorder: PostgresRecorder) -> None:
    ledger = Ledger(recorder)
    ledger.append(decision((new_stream(), 0)))
    recorder._sender._connection.execute("DEALLOCATE ALL")
    assert ledger.append(decision((new_stream(), 0))).first_position == 2


def test_a_schema_that_was_restored_in_place_is_appended_to_again(ledger_url: str, recorder: PostgresRecorder) -> None:
    ledger = Ledger(recorder)
    ledger.append(decision((new_stream(), 0)))
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owner.execute("drop schema ledger cascade")
    migrate(ledger_url, files("ledger.migrations"), schema="ledger")
    with pytest.raises(Refused, match="XX000"):
        ledger.append(decision((new_stream(), 0)))
    assert ledger.append(decision((new_stream(), 0))).first_position == 1


def test_a_database_that_hangs_is_left_and_what_it_was_sent_is_written_once(ledger_url: str) -> None:
    with open_pool(ledger_url, size_max=3) as pool:
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder)
        ledger.append(decision((new_stream(), 0)))
        connection = recorder._sender._connection
        assert connection is not None
        process, stream = connection.info.backend_pid, new_stream()
        recorder._committer._answer_wait_s = 0.5
        os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable, match="not known"):
                ledger.append(decision((stream, 0)))
            recorder._committer._answer_wait_s = GONE_TIMEOUT_S
            ledger.append(decision((new_stream(), 0)))
        finally:
            os.kill(process, signal.SIGCONT)  # it finds in its socket what was sent to it
        wait_until_gone(pool, process)
        assert len(ledger.history(stream)) == 1
        recorder.close()


def wait_until_gone(pool: ConnectionPool[Connection[TupleRow]], process: int) -> None:
    deadline = time.monotonic() + GONE_TIMEOUT_S
    with pool.connection() as connection:
        while connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (process,)).rowcount:
            assert time.monotonic() < deadline
            time.sleep(0.05)

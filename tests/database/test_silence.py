"""A database that hangs confirms what it is sent and answers nothing: whoever waits for it learns that in time."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import SecretStr

from bickford_sora.database import pool as pools
from bickford_sora.database.pool import open_pool
from bickford_sora.doctor import examination
from bickford_sora.doctor.examination import examine
from bickford_sora.settings import Settings
from ledger.clock import system_clock
from ledger.errors import Unavailable
from ledger.following import POLL_S, PostgresBell
from ledger.recorder import PostgresRecorder
from ledger.silence import Silent, answered_within, connect
from tests.database.silent_server import silent_server

SILENCE_S = 1.0
SOON_S = 30.0
"""Much later than any of these limits, for a busy machine; and nowhere near for ever."""


@contextmanager
def hanging(connection: Connection[TupleRow]) -> Iterator[None]:
    """The server's process behind the connection stands still."""
    process = connection.info.backend_pid
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_a_statement_that_nobody_answers_ends_and_its_connection_is_replaced(database_url: str) -> None:
    with open_pool(database_url, size_max=1, silence_s_max=SILENCE_S) as pool:
        began = time.monotonic()
        with pool.connection() as connection, hanging(connection), pytest.raises(Silent):
            connection.execute("select 1")
        assert SILENCE_S <= time.monotonic() - began < SOON_S
        assert connection.closed
        with pool.connection() as another:
            assert another.execute("select 1").fetchone() == (1,)


def test_what_goes_on_telling_something_is_waited_for_and_so_is_work_that_may_take_its_time(database_url: str) -> None:
    row_slowly = "select pg_sleep(0.05), repeat('x', 20000) from generate_series(1, 40)"
    with open_pool(database_url, size_max=1, silence_s_max=SILENCE_S) as pool, pool.connection() as connection:
        assert len(connection.execute(row_slowly.encode()).fetchall()) == 40
        with answered_within(connection, None):
            connection.execute("select pg_sleep(2)")
        with pytest.raises(Silent):
            connection.execute("select pg_sleep(60)")


def test_commands_wait_for_as_long_as_it_takes(database_url: str) -> None:
    with open_pool(database_url, size_max=1) as pool, pool.connection() as connection:
        assert connection.execute("select pg_sleep(2)").fetchone()


def test_a_connection_that_hangs_in_the_pool_is_left_for_another_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CONNECT_TIMEOUT_S", SILENCE_S)
    monkeypatch.setattr(pools, "ASKED_S", 0.0)
    with open_pool(database_url, size_max=1) as pool:
        with pool.connection() as connection:
            pass
        with hanging(connection), pool.connection() as another:
            assert another is not connection
            assert another.execute("select 1").fetchone() == (1,)


def test_a_reader_of_the_ledger_is_told_that_it_is_unavailable(database_url: str) -> None:
    with open_pool(database_url, size_max=2, silence_s_max=SILENCE_S) as pool:
        recorder = PostgresRecorder(pool)
        try:
            with pytest.raises(Unavailable), recorder.reading() as connection, hanging(connection):
                connection.execute("select 1")
        finally:
            recorder.close()
        with psycopg.connect(database_url) as other:
            assert other.execute("select 1").fetchone() == (1,)


def test_a_bell_that_cannot_listen_lets_its_process_go(monkeypatch: pytest.MonkeyPatch) -> None:
    # Told to stop, a process waits for whoever listens.
    monkeypatch.setattr("ledger.following.CONNECT_TIMEOUT_S", SILENCE_S)
    with silent_server() as address:
        bell = PostgresBell(address, threading.Event())
        began = time.monotonic()
        bell.wait(POLL_S)
        assert time.monotonic() - began < SOON_S
        bell.close()


def test_a_bell_that_listens_may_hear_nothing_for_long(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.following.CONNECT_TIMEOUT_S", SILENCE_S)
    with closing(PostgresBell(database_url, threading.Event())) as bell:
        bell.wait(POLL_S)
        listening = bell._connection
        bell.wait(SILENCE_S * 3)
        assert bell._connection is listening
        assert not listening.closed


def test_doctor_says_that_a_server_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(examination, "connect", partial(connect, silence_s_max=SILENCE_S))
    with silent_server() as address:
        settings = Settings(data_dir=tmp_path, database_url=SecretStr(address))
        findings = {each.check: each for each in examine(settings, clock=system_clock)}
    assert findings["database"].state == "problem"
    assert "it hangs" in findings["database"].found

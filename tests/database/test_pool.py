import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import ConnectionPool, PoolTimeout

from bickford_sora.database.pool import open_pool
from ledger.keepalives import CONNECT_TIMEOUT_S, UNANSWERED_S

AWAY_S = 0.3
POOLS_OWN_PAUSE_S = 0.9
"""The first of a psycopg pool's own pauses, a tenth less for chance."""
ATTEMPTS_MAX = 4
CLOSED_S_MAX = 4.0
"""Less than the five seconds after which a pool gives up waiting for its threads."""


def test_connections_carry_their_name_and_limits(database_url: str) -> None:
    with (
        open_pool(
            database_url,
            size_max=1,
            application_name="the tests",
            lock_timeout_s=1.5,
            idle_in_transaction_timeout_s=7,
        ) as pool,
        pool.connection() as connection,
    ):
        assert connection.autocommit
        row = connection.execute(
            "SELECT current_setting('application_name'), current_setting('lock_timeout'), "
            "current_setting('idle_in_transaction_session_timeout'), current_setting('jit')"
        ).fetchone()
    assert row == ("the tests", "1500ms", "7s", "off")


def test_a_host_that_never_answers_is_left_for_the_next_one(database_url: str) -> None:
    # As after a failover, when the address names first the primary whose machine lost its power.
    known = psycopg.conninfo.conninfo_to_dict(database_url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts, ports = f"127.0.0.1,{known['host']}", f"{silent.getsockname()[1]},{known.get('port') or 5432}"
        address = psycopg.conninfo.make_conninfo(database_url, host=hosts, port=ports)
        with open_pool(address, size_max=1) as pool, pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_notices_a_lost_machine_is_asked_for_where_the_address_says_nothing_of_it(database_url: str) -> None:
    address = psycopg.conninfo.make_conninfo(database_url, tcp_user_timeout=2_000, keepalives_idle=1)
    with open_pool(address, size_max=1) as pool, pool.connection() as connection:
        given = connection.info.get_parameters()
    assert (given["tcp_user_timeout"], given["keepalives_idle"]) == ("2000", "1")
    with open_pool(database_url, size_max=1) as pool, pool.connection() as connection:
        given = connection.info.get_parameters()
    assert int(given["tcp_user_timeout"]) == UNANSWERED_S * 1000
    assert int(given["connect_timeout"]) == CONNECT_TIMEOUT_S
    assert int(given["keepalives_idle"]) + int(given["keepalives_interval"]) * int(given["keepalives_count"]) < 30


def test_a_lost_connection_costs_no_error(database_url: str) -> None:
    with open_pool(database_url, size_max=2, size_min=2) as pool:
        pool.wait()
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        for _ in range(2):
            with pool.connection() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)


def test_connections_that_were_lost_together_are_not_waited_for_one_by_one(database_url: str) -> None:
    def lose_them() -> float:
        with (
            open_pool(database_url, size_max=5, size_min=5) as pool,
            psycopg.connect(database_url, autocommit=True) as other,
        ):
            pool.wait()
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            return connected_after_s(pool)

    assert soonest(lose_them) < POOLS_OWN_PAUSE_S


def test_who_waits_for_a_server_is_back_as_soon_as_it_is(database_url: str, tmp_path: Path) -> None:
    known = psycopg.conninfo.conninfo_to_dict(database_url)
    name = f".s.PGSQL.{known.get('port') or 5432}"

    def come_late() -> float:
        (tmp_path / name).unlink(missing_ok=True)
        comes = threading.Timer(AWAY_S, (tmp_path / name).symlink_to, [Path(str(known["host"])) / name])
        with open_pool(psycopg.conninfo.make_conninfo(database_url, host=str(tmp_path)), size_max=1) as pool:
            comes.start()
            after_s = connected_after_s(pool)
        assert after_s >= AWAY_S
        return after_s

    assert soonest(come_late) < POOLS_OWN_PAUSE_S


def connected_after_s(pool: ConnectionPool) -> float:
    began = time.monotonic()
    with pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    return time.monotonic() - began


def soonest(attempt: Callable[[], float]) -> float:
    """Of some attempts: a busy machine is late at one, a pool that pauses is late at all of them."""
    found: list[float] = []
    while len(found) < ATTEMPTS_MAX and min(found, default=POOLS_OWN_PAUSE_S) >= POOLS_OWN_PAUSE_S:
        found.append(attempt())
    return min(found)


def test_a_pool_that_waits_for_a_server_is_closed_at_once() -> None:
    pool = open_pool("host=/nowhere", size_max=1)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < CLOSED_S_MAX


def test_a_connection_that_answered_just_now_and_is_lost_costs_no_error(database_url: str) -> None:
    with (
        open_pool(database_url, size_max=1) as pool,
        psycopg.connect(database_url, autocommit=True) as other,
    ):
        for _ in range(3):
            with pool.connection() as connection:
                lost = connection.info.backend_pid
            # It returns when the other process has ended, and waits for that as long as this many milliseconds.
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (lost,)).fetchone() == (True,)
            with pool.connection() as connection:
                assert connection.info.backend_pid != lost


def test_a_lock_is_not_waited_for_for_ever(database_url: str) -> None:
    with open_pool(database_url, size_max=2, lock_timeout_s=0.05) as pool, pool.connection() as first:
        first.execute("CREATE TABLE contended ()")
        with first.transaction(), pool.connection() as second:
            first.execute("LOCK TABLE contended")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                second.execute("SELECT FROM contended")


def test_a_process_that_was_paused_with_a_lock_in_its_hands_is_cut_off(database_url: str) -> None:
    with open_pool(database_url, size_max=2, idle_in_transaction_timeout_s=0.2) as pool:
        paused, other = pool.getconn(), pool.getconn()
        other.execute("CREATE TABLE written (row int)")
        paused.execute("BEGIN; INSERT INTO written VALUES (1); SELECT pg_advisory_xact_lock(1)")
        other.execute("SELECT pg_advisory_xact_lock(1)")  # waits until the first one is cut off
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            paused.execute("SELECT 1")  # it wakes up
        assert other.execute("SELECT count(*) FROM written").fetchone() == (0,)
        for each in (paused, other):
            pool.putconn(each)


def test_the_whole_address_reaches_libpq(database_url: str) -> None:
    # Two hosts: the first has no server, so libpq goes on to the second.
    parts = psycopg.conninfo.conninfo_to_dict(database_url)
    several = psycopg.conninfo.make_conninfo(
        database_url, host=f"/nowhere,{parts['host']}", target_session_attrs="read-write"
    )
    with open_pool(several, size_max=1) as pool, pool.connection() as connection:
        assert connection.info.dbname == parts["dbname"]


def test_an_absent_server_is_a_timeout_that_says_so() -> None:
    with (
        open_pool("host=/nowhere", size_max=1, checkout_timeout_s=0.2) as pool,
        pytest.raises(PoolTimeout),
        pool.connection(),
    ):
        pass

"""A pooler between us and PostgreSQL: sessions that end behind it, and those that it would have everybody share."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from bickford_sora.database.errors import SessionsSharedError
from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from bickford_sora.database.sessions import is_pooled, require_own_session
from bickford_sora.doctor import server
from bickford_sora.doctor.finding import Finding
from bickford_sora.settings import Settings
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.recorder import PostgresRecorder
from ledger.silence import connect
from tests.doctor.pooler import pooler
from tests.ledger.ledger_facts import decision, new_stream

from .pooler_of_sessions import pooler_of_sessions

TIMEOUT_S = 30.0


@pytest.fixture(autouse=True)
def _behind_a_socket(database_url: str) -> None:
    if not str(conninfo_to_dict(database_url).get("host", "")).startswith("/"):
        pytest.skip("the poolers of these tests speak to the server's Unix socket")


@pytest.fixture
def by_session(database_url: str) -> Iterator[str]:
    with pooler_of_sessions(database_url) as url:
        yield url


@pytest.fixture
def by_transaction(database_url: str) -> Iterator[str]:
    place = conninfo_to_dict(database_url)
    path = f"{place['host']}/.s.PGSQL.{place['port']}"
    with pooler(path, str(place["user"]), str(place["dbname"])) as port:
        yield make_conninfo(database_url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")


def end_sessions(url: str) -> None:
    """All but the one that asks, as when the server stops."""
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


def until_told(connection: Connection[TupleRow]) -> None:
    """Both of the last words are there to be read."""
    with socket.socket(fileno=connection.pgconn.socket) as line:
        line.settimeout(TIMEOUT_S)
        while b"server conn crashed?" not in line.recv(65_536, socket.MSG_PEEK):
            threading.Event().wait(0.01)
        line.detach()


def test_a_commit_on_a_session_that_ended_behind_a_pooler_is_an_end_of_the_connection(
    database_url: str, by_session: str
) -> None:
    with open_pool(by_session, size_max=1) as pool:
        with pool.connection() as connection:
            connection.execute("begin")
            end_sessions(database_url)
            until_told(connection)
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
        with pool.connection() as another:
            assert another.execute("select 1").fetchone() == (1,)


def test_what_an_event_loop_appends_on_a_session_that_ended_behind_a_pooler_is_written_once(
    database_url: str, by_session: str
) -> None:
    migrate(database_url, files("ledger.migrations"), schema="ledger")

    async def scenario() -> None:
        with open_pool(by_session, size_max=2) as pool:
            recorder = PostgresRecorder(pool)
            ledger, sender = Ledger(recorder), recorder._async_committer._sender
            sender.connect_soon()
            while not sender.is_free:  # noqa: ASYNC110 - a thread connects
                await asyncio.sleep(0.01)
            await asyncio.to_thread(end_sessions, database_url)
            await asyncio.to_thread(until_told, sender._connection)
            (answer,) = await ledger.append_all([decision((new_stream(), 0))])
            assert answer.first_position == 1
            recorder.close()

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from ledger.events").fetchone() == (1,)


def test_nothing_is_migrated_through_a_pooler_of_transactions(database_url: str, by_transaction: str) -> None:
    with pytest.raises(SessionsSharedError, match=r"\. Set pool_mode = session"):
        migrate(by_transaction, files("ledger.migrations"), schema="ledger")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select to_regclass('ledger.events')").fetchone() == (None,)
        assert connection.execute(
            "select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database"
            " where locktype = 'advisory' and datname = current_database()"
        ).fetchone() == (0,)


def test_a_pooler_that_goes_round_shares_sessions_too(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter(range(1_000))
    monkeypatch.setattr("bickford_sora.database.sessions._session", lambda _connection: next(rounds) % 3)
    with connect(database_url) as connection, pytest.raises(SessionsSharedError):
        require_own_session(connection, database_url)


def test_a_pooler_of_sessions_is_worked_through(database_url: str, by_session: str) -> None:
    with connect(by_session) as connection, connect(database_url) as direct:
        assert is_pooled(connection)
        assert not is_pooled(direct)
    with open_pool(by_session, size_max=2) as pool:
        assert migrate(pool, files("ledger.migrations"), schema="ledger")


def looked_at(url: str) -> Finding:
    """What doctor says of a pooler."""
    with connect(url) as connection:
        findings = server.check_server(connection, url, Settings(database_pool_max=20), system_clock)
        return next(each for each in findings if each.check == "database_pooler")


def test_a_pooler_of_sessions_is_told_how_many_it_needs_and_when_it_had_none_free(
    by_session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = looked_at(by_session)
    assert told.state == "ok"
    assert "each serve takes up to 43 of its sessions, each worker 23" in told.found
    monkeypatch.setattr(server, "SESSION_S_MAX", -1.0)
    told = looked_at(by_session)
    assert told.state == "warning"
    assert told.advice is not None
    assert "default_pool_size" in told.advice


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("FATAL:  unsupported startup parameter in options: jit", "refuses a parameter of the address"),
        ("FATAL:  query_wait_timeout", "no session free"),
        ("FATAL:  no more connections allowed (max_client_conn)", "max_client_conn"),
        ("server login has been failing, cached error: connect failed (server_login_retry)", "does not reach"),
    ],
)
def test_what_a_pooler_refuses_with_is_named(said: str, told: str) -> None:
    assert told in server.unreachable(psycopg.OperationalError(said)).found

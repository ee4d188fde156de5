import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from bickford_sora.database import guardian
from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.errors import ServerStartError
from bickford_sora.database.layout import Layout
from bickford_sora.database.pool import open_pool
from tests.clusters import copy_cluster

from .processes import USE_UNTIL_TOLD, Home, select, wait_until

SYSTEM_IDENTIFIER = "SELECT system_identifier::text || pg_postmaster_start_time()::text FROM pg_control_system()"

FORK_A_CHILD_THAT_STAYS = USE_UNTIL_TOLD.replace(
    "    sys.stdin.read()",
    """
    import os, time
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print("child", child, flush=True)
    sys.stdin.read()
""",
)

HAVE_IT_STARTED = """
import sys
from pathlib import Path
from bickford_sora.database.early import started_early

with started_early(Path(sys.argv[1])):
    print("meanwhile", flush=True)
    sys.stdin.read()
"""


def test_a_fresh_folder_gets_a_server_that_keeps_what_it_is_told(fresh_home: Home) -> None:
    with EmbeddedPostgres.acquire(fresh_home.data_dir) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        settings = connection.execute(
            "SELECT current_setting('fsync'), current_setting('data_checksums'), current_setting('listen_addresses'), "
            "current_setting('server_encoding'), current_user::text"
        ).fetchone()
    assert settings == ("on", "on", "", "UTF8", "bickford")
    assert fresh_home.is_quiet()
    with EmbeddedPostgres.acquire(fresh_home.data_dir) as server:
        assert select(server.url, "SELECT number FROM kept") == 7


def test_a_short_call_never_takes_the_server_from_a_longer_one(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        before = select(server.url, SYSTEM_IDENTIFIER)
        short = home.use()
        assert select(short.url(), SYSTEM_IDENTIFIER) == before
        short.end()
        time.sleep(4 * guardian.TICK_S)
        assert select(server.url, SYSTEM_IDENTIFIER) == before
    assert home.is_quiet()


def test_the_one_who_started_the_server_may_leave_first(home: Home) -> None:
    first = home.use()
    before = select(first.url(), SYSTEM_IDENTIFIER)
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        first.end()
        time.sleep(4 * guardian.TICK_S)
        assert select(server.url, SYSTEM_IDENTIFIER) == before
    assert home.is_quiet()


def test_a_server_that_was_started_early_runs_before_it_is_used_and_stays_when_its_users_die(home: Home) -> None:
    early = home.use(script=HAVE_IT_STARTED)
    early.line("meanwhile")
    assert wait_until(lambda: len(home.postmasters()) == 1)
    user = home.use()
    before = select(user.url(), SYSTEM_IDENTIFIER)
    user.kill()
    time.sleep(4 * guardian.TICK_S)
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        assert select(server.url, SYSTEM_IDENTIFIER) == before
    early.end()
    assert home.is_quiet()


def test_a_killed_user_leaves_no_server_behind(home: Home) -> None:
    user = home.use()
    user.url()
    assert len(home.postmasters()) == 1
    user.kill()
    assert wait_until(home.is_quiet)


def test_a_forked_child_does_not_keep_the_server(home: Home) -> None:
    user = home.use(script=FORK_A_CHILD_THAT_STAYS)
    child = int(user.line("child").split()[1])
    try:
        user.kill()
        assert wait_until(home.is_quiet)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_killed_server_comes_back_and_no_acknowledged_row_is_lost(home: Home) -> None:
    acknowledged = 0
    with EmbeddedPostgres.acquire(home.data_dir) as server, open_pool(server.url, size_max=2) as pool:
        with pool.connection() as connection:
            connection.execute("CREATE TABLE counted (number int)")

        def count() -> None:
            nonlocal acknowledged
            with psycopg.connect(server.url, autocommit=True) as connection:
                while True:
                    connection.execute("INSERT INTO counted VALUES (1)")
                    acknowledged += 1

        def count_until_cut_off() -> None:
            with pytest.raises(psycopg.OperationalError):
                count()

        writer = threading.Thread(target=count_until_cut_off)
        writer.start()
        assert wait_until(lambda: acknowledged > 200)
        home.kill_server()
        writer.join()
        with EmbeddedPostgres.acquire(home.data_dir), pool.connection() as connection:
            row = connection.execute("SELECT count(*) FROM counted").fetchone()
        # The one row that was on its way may have been committed without an answer.
        assert row is not None
        assert row[0] - acknowledged in {0, 1}
    assert home.is_quiet()


def test_a_pool_finds_the_restarted_server_by_itself(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir) as server, open_pool(server.url, size_max=1) as pool:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
        home.kill_server()
        with pool.connection(timeout=20) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_server_of_a_killed_guardian_is_adopted_and_stopped(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        before = select(server.url, SYSTEM_IDENTIFIER)
        home.kill(home.guardians())
        assert select(server.url, SYSTEM_IDENTIFIER) == before
        with EmbeddedPostgres.acquire(home.data_dir) as second:
            assert select(second.url, SYSTEM_IDENTIFIER) == before
            assert len(home.guardians()) == 1
    assert home.is_quiet()


def test_an_orphaned_server_is_stopped_even_by_a_user_who_leaves_at_once(home: Home) -> None:
    user = home.use()
    user.url()
    home.kill(home.guardians())
    user.kill()
    assert len(home.postmasters()) == 1
    EmbeddedPostgres.acquire(home.data_dir).close()
    assert home.is_quiet()


def test_the_last_user_waits_also_for_a_guardian_that_is_late(home: Home) -> None:
    server = EmbeddedPostgres.acquire(home.data_dir)
    [guardian_pid] = home.guardians()
    os.kill(guardian_pid, signal.SIGSTOP)
    closing = threading.Thread(target=server.close)
    closing.start()
    closing.join(timeout=1.5)
    waited = closing.is_alive()
    os.kill(guardian_pid, signal.SIGCONT)
    closing.join()
    assert waited
    assert home.is_quiet()


def test_an_adopted_server_that_is_killed_comes_back(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        home.kill(home.guardians())
        with EmbeddedPostgres.acquire(home.data_dir):
            home.kill_server()
            with open_pool(server.url, size_max=1) as pool, pool.connection(timeout=20) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
    assert home.is_quiet()


def test_guardian_and_server_killed_together_are_replaced(home: Home) -> None:
    # Where process 1 does not reap, the killed server stays as a zombie whose pid is in postmaster.pid.
    with EmbeddedPostgres.acquire(home.data_dir):
        home.kill(home.guardians())
        home.kill_server()
        with EmbeddedPostgres.acquire(home.data_dir) as second:
            assert select(second.url, "SELECT 1") == 1
    assert home.is_quiet()


def test_a_pid_file_that_names_another_living_program_does_not_stop_the_start(home: Home) -> None:
    cluster = home.data_dir / "postgres"
    owner = cluster.stat()
    identity = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", **identity) as innocent:
        pid_file = cluster / "postmaster.pid"
        pid_file.write_text(
            f"{innocent.pid}\n{cluster}\n1\n5432\n{home.data_dir / 'run'}\n\n       1         1\nready   \n"
        )
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        with EmbeddedPostgres.acquire(home.data_dir) as server:
            assert select(server.url, "SELECT 1") == 1
        assert innocent.poll() is None
        innocent.kill()


def test_processes_that_come_at_the_same_moment_share_one_server(fresh_home: Home) -> None:
    users = [fresh_home.use() for _ in range(4)]
    seen = {select(user.url(), SYSTEM_IDENTIFIER) for user in users}
    assert len(seen) == 1
    assert len(fresh_home.postmasters()) == 1
    assert len(fresh_home.guardians()) == 1
    for user in users:
        user.end()
    assert wait_until(fresh_home.is_quiet)


def test_users_coming_and_going_never_meet_a_stopping_server(home: Home) -> None:
    def come_and_go() -> None:
        for _ in range(5):
            with EmbeddedPostgres.acquire(home.data_dir) as server:
                answers.append(select(server.url, "SELECT 1"))

    answers: list[object] = []
    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 15
    assert wait_until(home.is_quiet)


def test_a_killed_initdb_leaves_no_half_cluster(fresh_home: Home) -> None:
    user = fresh_home.use()
    assert wait_until(lambda: bool(list(fresh_home.data_dir.glob("postgres.partial-*/global"))))
    user.kill()
    assert not (fresh_home.data_dir / "postgres").exists()
    with EmbeddedPostgres.acquire(fresh_home.data_dir) as server:
        assert select(server.url, "SELECT 1") == 1
    assert list(fresh_home.data_dir.glob("postgres.partial-*")) == []


def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log(home: Home) -> None:
    with (home.data_dir / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("wal_level = nonsense\n")
    with pytest.raises(ServerStartError, match=r"(?s)postgres\.log.*nonsense"):
        EmbeddedPostgres.acquire(home.data_dir, start_timeout_s=20)
    assert wait_until(home.is_quiet)


def test_a_signal_to_the_whole_group_does_not_end_the_guardian(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir) as server:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(home.guardians()[0], signum)
        time.sleep(4 * guardian.TICK_S)
        assert len(home.guardians()) == 1
        assert select(server.url, "SELECT 1") == 1


def test_a_folder_removed_in_use_leaves_no_server_behind(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir):
        shutil.rmtree(home.data_dir)
    assert wait_until(home.is_quiet)


def test_a_server_stopped_by_an_operator_is_started_again_for_its_users(home: Home) -> None:
    with EmbeddedPostgres.acquire(home.data_dir) as server, open_pool(server.url, size_max=1) as pool:
        stopped = home.postmasters()
        os.kill(stopped[0], signal.SIGINT)
        assert wait_until(lambda: home.postmasters() not in ([], stopped))
        with pool.connection(timeout=20) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_closing_twice_is_closing_once(home: Home) -> None:
    server = EmbeddedPostgres.acquire(home.data_dir)
    server.close()
    server.close()
    assert home.is_quiet()


def test_a_long_path_gets_a_short_socket_folder(parent: Path, fresh_home: Home) -> None:
    fresh_home.data_dir = parent / ("long" * 25)
    copy_cluster(fresh_home.data_dir)
    with EmbeddedPostgres.acquire(fresh_home.data_dir) as server:
        assert select(server.url, "SELECT 1") == 1
    folder = Layout(fresh_home.data_dir).socket_folder
    assert folder.parent == Path("/tmp")  # noqa: S108 - the place under test
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()

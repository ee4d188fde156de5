import multiprocessing
from pathlib import Path

import psycopg
import pytest

from bickford_sora.database.errors import (
    DatabaseNewerError,
    MigrationChangedError,
    MigrationFailedError,
    MigrationFolderError,
    MigrationMissingError,
)
from bickford_sora.database.migrations import migrate, pending, read_migrations
from bickford_sora.database.pool import open_pool

from .processes import select

SCHEMA = "house"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_rooms.sql").write_text("CREATE TABLE house.rooms (name text); CREATE TABLE house.doors ();")
    (tmp_path / "0002_first_room.sql").write_text("INSERT INTO house.rooms VALUES ('kitchen, 100 % ready');")
    return tmp_path


def _names(migrations: list) -> list[str]:
    return [str(migration) for migration in migrations]


def test_migrations_are_applied_in_order_and_recorded(database_url: str, folder: Path) -> None:
    assert _names(pending(database_url, folder, schema=SCHEMA)) == ["0001_rooms.sql", "0002_first_room.sql"]
    assert _names(migrate(database_url, folder, schema=SCHEMA)) == ["0001_rooms.sql", "0002_first_room.sql"]
    assert pending(database_url, folder, schema=SCHEMA) == []
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT number, name, sha256 FROM house.migrations ORDER BY number").fetchall()
    expected = [(each.number, each.name, each.sha256) for each in read_migrations(folder)]
    assert rows == expected
    assert select(database_url, "SELECT name FROM house.rooms") == "kitchen, 100 % ready"


def test_a_second_run_does_nothing(database_url: str, folder: Path) -> None:
    migrate(database_url, folder, schema=SCHEMA)
    assert migrate(database_url, folder, schema=SCHEMA) == []
    assert select(database_url, "SELECT count(*) FROM house.rooms") == 1


def test_only_new_migrations_are_applied(database_url: str, folder: Path) -> None:
    migrate(database_url, folder, schema=SCHEMA)
    (folder / "0003_second_room.sql").write_text("INSERT INTO house.rooms VALUES ('hall');")
    assert _names(migrate(database_url, folder, schema=SCHEMA)) == ["0003_second_room.sql"]


def test_looking_for_pending_migrations_changes_nothing(database_url: str, folder: Path) -> None:
    pending(database_url, folder, schema=SCHEMA)
    assert select(database_url, "SELECT to_regnamespace('house')") is None


def test_a_pool_keeps_its_own_settings(database_url: str, folder: Path) -> None:
    with open_pool(database_url, size_max=1, lock_timeout_s=3) as pool:
        migrate(pool, folder, schema=SCHEMA)
        assert pending(pool, folder, schema=SCHEMA) == []
        with pool.connection() as connection:
            assert connection.execute("SHOW lock_timeout").fetchone() == ("3s",)
            held = connection.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            ).fetchone()
            assert held == (0,)


def _migrate_elsewhere(url: str, folder: str, answers: "multiprocessing.Queue[int]") -> None:
    answers.put(len(migrate(url, Path(folder), schema=SCHEMA)))


def test_two_processes_migrate_at_once_and_each_migration_runs_once(database_url: str, folder: Path) -> None:
    (folder / "0003_slow.sql").write_text("SELECT pg_sleep(0.3); INSERT INTO house.rooms VALUES ('attic');")
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    processes = [spawn.Process(target=_migrate_elsewhere, args=(database_url, str(folder), answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(answers.get(timeout=30) for _ in processes) == [0, 3]
    for process in processes:
        process.join()
        process.close()
    answers.close()
    answers.join_thread()
    assert select(database_url, "SELECT count(*) FROM house.rooms") == 2


def test_a_migration_edited_after_it_was_applied_is_refused(database_url: str, folder: Path) -> None:
    migrate(database_url, folder, schema=SCHEMA)
    (folder / "0001_rooms.sql").write_text("CREATE TABLE house.rooms (name text, size int);")
    for look in (pending, migrate):
        with pytest.raises(MigrationChangedError, match=r"0001_rooms\.sql was changed"):
            look(database_url, folder, schema=SCHEMA)


def test_a_database_newer_than_the_program_is_refused(database_url: str, folder: Path) -> None:
    migrate(database_url, folder, schema=SCHEMA)
    (folder / "0002_first_room.sql").unlink()
    for look in (pending, migrate):
        with pytest.raises(DatabaseNewerError, match="Upgrade the program"):
            look(database_url, folder, schema=SCHEMA)


def test_a_database_that_skipped_a_migration_is_refused(database_url: str, folder: Path) -> None:
    migrate(database_url, folder, schema=SCHEMA)
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM house.migrations WHERE number = 1")
    for look in (pending, migrate):
        with pytest.raises(MigrationMissingError, match=r"not 0001_rooms\.sql"):
            look(database_url, folder, schema=SCHEMA)


def test_a_failing_migration_leaves_nothing_of_itself(database_url: str, folder: Path) -> None:
    broken = folder / "0003_broken.sql"
    broken.write_text("CREATE TABLE house.half (); SELECT 1 / 0;")
    with pytest.raises(MigrationFailedError, match=r"0003_broken\.sql failed and was rolled back: division by zero"):
        migrate(database_url, folder, schema=SCHEMA)
    assert select(database_url, "SELECT to_regclass('house.half')") is None
    assert select(database_url, "SELECT max(number) FROM house.migrations") == 2
    broken.write_text("CREATE TABLE house.half ();")
    assert _names(migrate(database_url, folder, schema=SCHEMA)) == ["0003_broken.sql"]


def test_a_first_migration_that_fails_leaves_no_schema(database_url: str, folder: Path) -> None:
    (folder / "0001_rooms.sql").write_text("SELECT 1 / 0;")
    with pytest.raises(MigrationFailedError):
        migrate(database_url, folder, schema=SCHEMA)
    assert select(database_url, "SELECT to_regnamespace('house')") is None


@pytest.mark.parametrize("name", ["0004_gap.sql", "3_short.sql", "0003-dash.sql", "0002_twice.sql"])
def test_misnumbered_files_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationFolderError):
        read_migrations(folder)


@pytest.mark.parametrize("schema", ["", "Ledger", 'a"b', "a.b", "1a", "a" * 64])
def test_a_schema_name_that_would_need_quoting_is_refused(folder: Path, schema: str) -> None:
    with pytest.raises(ValueError, match="plain schema name"):
        migrate("host=/nowhere", folder, schema=schema)

"""Apply numbered .sql files, once each and in order, and refuse when database and program have drifted apart."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import psycopg
import structlog
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from bickford_sora.database.errors import (
    DatabaseNewerError,
    MigrationChangedError,
    MigrationFailedError,
    MigrationFolderError,
    MigrationMissingError,
)
from bickford_sora.database.sessions import require_own_session
from ledger.silence import answered_within, connect

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered change to a schema; `sha256` is the hex digest of the file."""

    number: int
    name: str
    text: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.number:04}_{self.name}.sql"


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """What the database remembers of a migration."""

    number: int
    name: str
    sha256: str


def read_migrations(folder: Traversable) -> list[Migration]:
    """Return the migrations of a package folder, in order. Files that do not end in .sql are not looked at.

    Raises:
        MigrationFolderError: a file is misnamed, or the numbers are not 1, 2, 3 and so on.
    """
    migrations = []
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationFolderError(f"{file.name} in {folder} is not named like 0001_what_it_does.sql. Rename it.")
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        migrations.append(Migration(int(match[1]), match[2], content.decode("utf-8"), digest))
    migrations.sort(key=lambda migration: migration.number)
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationFolderError(
                f"{folder} has {migration} where number {expected:04} is due. Renumber the files."
            )
    return migrations


def migrate(target: str | ConnectionPool[Connection[TupleRow]], folder: Traversable, *, schema: str) -> list[Migration]:
    """Bring `schema` up to date and return what was applied, in order; nothing when it was.

    Each migration runs in one transaction with its record in `<schema>.migrations`, so it is applied and recorded or
    neither. An advisory lock on the database and schema lets one process migrate at a time; the others wait and then
    find nothing to do. A migration must not contain what PostgreSQL refuses in a transaction, nor COMMIT.

    Args:
        target: a libpq URI or key=value string, or an open pool of autocommit connections.
        folder: the package folder with the .sql files (importlib.resources.files).
        schema: the schema that holds the record, created when missing; lower-case letters, digits, underscores.

    Raises:
        MigrationError: drift between database and program, or a migration that failed; see `errors`.
        SessionsSharedError: a pooler in between gives each transaction another session.
        ValueError: `schema` is not a plain name.
    """
    migrations = read_migrations(folder)
    record = _record_table(schema)
    applied = []
    with _connect(target) as connection:
        require_own_session(connection, _address(target))
        with answered_within(connection, None):  # an index takes as long as it takes
            _lock(connection, schema)
            try:
                for migration in _unapplied(migrations, _read_record(connection, schema)):
                    _apply(connection, migration, schema, record)
                    applied.append(migration)
            finally:
                _unlock(connection, schema)
    return applied


def pending(target: str | ConnectionPool[Connection[TupleRow]], folder: Traversable, *, schema: str) -> list[Migration]:
    """Return the migrations that `migrate` would apply. Reads only, and takes no lock.

    Raises:
        MigrationError: drift between database and program; see `errors`.
        ValueError: `schema` is not a plain name.
    """
    _record_table(schema)
    migrations = read_migrations(folder)
    with _connect(target) as connection:
        return _unapplied(migrations, _read_record(connection, schema))


def _unapplied(migrations: Sequence[Migration], record: Mapping[int, AppliedMigration]) -> list[Migration]:
    """Compare the program's migrations with the database's record and return those still to be applied."""
    known = {migration.number: migration for migration in migrations}
    for number, applied in sorted(record.items()):
        migration = known.get(number)
        if migration is None:
            raise DatabaseNewerError(
                f"The database has migration {number:04}_{applied.name}, which this version of the program does not "
                "know. Upgrade the program, or point it at its own database."
            )
        if migration.sha256 != applied.sha256:
            raise MigrationChangedError(
                f"{migration} was changed after it had been applied (as {applied.name}, sha256 {applied.sha256}). "
                "Restore the file as it was and put the change into a new migration."
            )
    unapplied = [migration for migration in migrations if migration.number not in record]
    if record and unapplied and unapplied[0].number < max(record):
        raise MigrationMissingError(
            f"The database has migration {max(record):04} but not {unapplied[0]}, which lies before it. "
            "Restore the database from a backup, or apply and record the missing one by hand."
        )
    return unapplied


def _apply(connection: Connection[TupleRow], migration: Migration, schema: str, record: sql.Identifier) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
            connection.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {} (number int PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, "
                    "applied_at timestamptz NOT NULL DEFAULT now())"
                ).format(record)
            )
            connection.execute(migration.text.encode())
            # Killed before this transaction commits: nothing of the migration is there, and the next run applies it.
            connection.execute(
                sql.SQL("INSERT INTO {} (number, name, sha256) VALUES (%s, %s, %s)").format(record),
                (migration.number, migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        if connection.closed:
            raise  # whether it was committed is unknown; the next run reads the record and sees
        raise MigrationFailedError(
            f"{migration} failed and was rolled back: {error}. Mend the migration or the data it trips over, then run "
            "the same command again."
        ) from error
    _log.info("migration_applied", migration=str(migration), schema=schema)


def _read_record(connection: Connection[TupleRow], schema: str) -> dict[int, AppliedMigration]:
    exists = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{schema}.migrations",)).fetchone()
    if exists is None or not exists[0]:
        return {}
    rows = connection.execute(sql.SQL("SELECT number, name, sha256 FROM {}").format(_record_table(schema)))
    return {number: AppliedMigration(number, name, sha256) for number, name, sha256 in rows}


def _lock(connection: Connection[TupleRow], schema: str) -> None:
    # Waiting here is not being stuck: another process migrates. The pool's lock_timeout would make it an error, so it
    # is off for this transaction; the lock belongs to the session and outlives it.
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"{schema}.migrations",))


def _unlock(connection: Connection[TupleRow], schema: str) -> None:
    if connection.closed:
        return  # the server released the lock with the session
    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (f"{schema}.migrations",))


def _record_table(schema: str) -> sql.Identifier:
    if _SCHEMA_NAME.fullmatch(schema) is None:
        raise ValueError(f"{schema!r} is not a plain schema name: lower-case letters, digits and underscores")
    return sql.Identifier(schema, "migrations")


def _connect(
    target: str | ConnectionPool[Connection[TupleRow]],
) -> AbstractContextManager[Connection[TupleRow]]:
    if isinstance(target, str):
        return connect(target)
    return target.connection()


def _address(target: str | ConnectionPool[Connection[TupleRow]]) -> str:
    given = target if isinstance(target, str) else target.conninfo
    return given if isinstance(given, str) else given()

"""Checks of the PostgreSQL server: reached, new enough, writable, what stands between, rights, schema, clock."""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.database.binaries import MAJOR_MIN
from bickford_sora.database.errors import MigrationError, SessionsSharedError
from bickford_sora.database.migrations import pending
from bickford_sora.database.sessions import is_pooled, require_own_session
from bickford_sora.doctor.finding import Finding, ok, problem, skipped, warning
from bickford_sora.settings import Settings
from ledger import silence
from ledger.clock import Clock
from ledger.sql import query

SKEW_S_MAX = 1.0
"""Distance between this machine's clock and the database's that an operator is told of, in seconds."""
SKEW_S_WRONG = 30.0
"""Distance from which on deadlines and signatures are judged wrongly, in seconds."""
CONNECTIONS_OF_OTHERS = 10
"""Connections that are left for migrations, backups and operators."""
LISTENING = 3
"""Connections of a process that works in the background, beside its pool's."""
SESSION_S_MAX = 2.0
"""How long a pooler may take to have another session free before an operator is told, in seconds."""


def connect(url: str) -> Connection[TupleRow]:
    """A connection for the checks, given up where the server hangs. Raises psycopg.OperationalError."""
    return silence.connect(url)


def unreachable(error: psycopg.Error) -> Finding:
    """Says that the server did not answer; libpq's own words may hold the password and are left out."""
    if isinstance(error, psycopg.ProgrammingError):
        return problem("database", "BICKFORD_DATABASE_URL is no address that libpq can read", _FORM)
    reason = next((said for known, said in _REASONS.items() if re.search(known, str(error))), type(error).__name__)
    return problem(
        "database",
        f"it does not answer: {reason}",
        "Check BICKFORD_DATABASE_URL, that the server runs, and that it lets this machine and role in.",
    )


_FORM = "Give postgresql://USER:PASSWORD@HOST:PORT/DATABASE; what else than letters and digits is in them as %XX."
_REASONS = {
    "password authentication failed": "password authentication failed",
    "no pg_hba.conf entry": "no pg_hba.conf entry",
    'role ".*" does not exist': "the role does not exist",
    'database ".*" does not exist': "the database does not exist",
    "root certificate file .* does not exist": "sslrootcert names no file that is there",
    "Connection refused": "Connection refused",
    "timeout expired": "timeout expired",
    "says nothing for|query_wait_timeout": (
        "it lets in, and then says nothing: it hangs, or is a pooler that has no session free (default_pool_size)"
    ),
    "no more connections allowed": "a pooler in between allows no more connections (max_client_conn)",
    "unsupported startup parameter": "a pooler in between refuses a parameter of the address, such as options",
    "cannot connect to server|login has been failing": "a pooler in between does not reach the server",
    "could not translate host name|Name or service not known": "the host's name is not known",
    "certificate verify failed": "certificate verify failed",
    "server does not support SSL": "server does not support SSL",
    "too many clients already|remaining connection slots": "too many clients already",
}
"""What libpq or the server says, and what is told of it."""


def check_server(connection: Connection[TupleRow], url: str, settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Everything about the server and the schema; whether there is a schema to go on with is asked of `has_schema`."""
    yield _version(connection)
    yield _writable(connection)
    yield _pooler(connection, url, settings)
    yield _connections(connection, settings)
    yield _clock(connection, clock)
    yield _migrations(url)
    yield _rights(connection, embedded=settings.database_url is None)


def has_schema(connection: Connection[TupleRow]) -> bool:
    """Whether the ledger's tables are there."""
    return bool(
        _one(connection, "select exists (select from pg_tables where schemaname = 'ledger' and tablename = 'events')")
    )


def _version(connection: Connection[TupleRow]) -> Finding:
    number = connection.info.server_version
    found = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if number < MAJOR_MIN * 10_000:
        return problem("database", f"{found} is too old", f"Use PostgreSQL {MAJOR_MIN} or newer.")
    return ok("database", found)


def _writable(connection: Connection[TupleRow]) -> Finding:
    if _one(connection, "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean"):
        return problem(
            "database_writable",
            "this server takes no writes",
            "Name the primary; with several hosts add target_session_attrs=read-write to BICKFORD_DATABASE_URL.",
        )
    return ok("database_writable", "it takes writes")


def _pooler(connection: Connection[TupleRow], url: str, settings: Settings) -> Finding:
    """Whether a pooler stands between, and whether it can be worked with.

    One of transactions is refused by `serve` and by all that opens the ledger; one of sessions has to have enough.
    """
    if not is_pooled(connection):
        return ok("database_pooler", "none in between")
    began = time.monotonic()
    try:
        require_own_session(connection, url)
    except SessionsSharedError as error:
        cause, _, advice = str(error).partition(". ")
        return problem("database_pooler", cause, advice)
    waited_s = time.monotonic() - began
    most = settings.database_pool_max
    needed = f"each serve takes up to {2 * most + LISTENING} of its sessions, each worker {most + LISTENING}"
    if waited_s > SESSION_S_MAX:
        return warning(
            "database_pooler",
            f"one in between, by session, that had one free after {waited_s:.0f} s; {needed}",
            "Raise its default_pool_size (max_db_connections, max_client_conn) above what all of them take, and some.",
        )
    return ok("database_pooler", f"one in between, by session: {needed}")


def _connections(connection: Connection[TupleRow], settings: Settings) -> Finding:
    most = int(_one(connection, "select current_setting('max_connections')"))
    room = most - CONNECTIONS_OF_OTHERS
    found = f"{settings.database_pool_max} of {most} for each process"
    if settings.database_pool_max > room:
        return problem(
            "database_connections", found, "Lower BICKFORD_DATABASE_POOL_MAX, or raise max_connections of the server."
        )
    return ok("database_connections", found)


def _clock(connection: Connection[TupleRow], clock: Clock) -> Finding:
    before = clock()
    theirs: datetime = _one(connection, "select clock_timestamp()")
    after = clock()
    skew_s = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    found = f"this machine's clock and the database's differ by {skew_s:.3f} s"
    advice = "Have both machines keep the time by NTP."
    if skew_s > SKEW_S_WRONG:
        return problem("clock", found, advice)
    return warning("clock", found, advice) if skew_s > SKEW_S_MAX else ok("clock", found)


def _migrations(url: str) -> Finding:
    try:
        due = [str(each) for each in pending(url, files("ledger.migrations"), schema="ledger")]
    except MigrationError as error:
        cause, _, advice = str(error).rpartition(". ")
        return problem("migrations", cause or str(error), advice or "See docs/guides/upgrade.md.")
    if due:
        advice = "Run 'bickford-sora migrate'; the next 'serve' or 'worker' does it, too."
        return warning("migrations", f"{', '.join(due)} not applied", advice)
    return ok("migrations", "all applied")


def _rights(connection: Connection[TupleRow], *, embedded: bool) -> Finding:
    if not has_schema(connection):
        return skipped("database_role", "there is no ledger yet")
    try:
        lacking = not _one(connection, query("may_append"))
        single = not lacking and _one(connection, query("may_change_facts"))
    except psycopg.errors.InsufficientPrivilege:
        lacking, single = True, False
    if lacking:
        return problem(
            "database_role",
            "this role may not read the ledger and append to it",
            "Grant it usage on the schema 'ledger', select on its tables and execute on its functions.",
        )
    if not single:
        return ok("database_role", "privileges and triggers keep this role from changing facts")
    found = "this role owns the ledger's tables: triggers alone keep facts from being changed"
    if embedded:
        return ok("database_role", f"{found}; checkpoints that others hold tell whether they were")
    return warning(
        "database_role", found, "Let one role own the schema 'ledger', and serve with another one (see 'migrate')."
    )


def _one(connection: Connection[TupleRow], statement: LiteralString) -> Any:
    row = connection.execute(statement).fetchone()
    assert row is not None, statement  # noqa: S101 - each selects one value
    return row[0]

"""PostgreSQL schemas of projections: made, swapped and dropped.

A swap renames schemas and nothing else. That takes no lock on any table, so a reader who is slow keeps reading the old
tables and keeps nobody waiting; the old schema is dropped when its last reader has gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow

from ledger.sql import query
from projections.port import Projection

_SQL = "projections.sql"


def exists(connection: Connection[TupleRow], schema: str) -> bool:
    """Whether the database has this schema."""
    row = connection.execute(query("schema_exists", _SQL), (schema,)).fetchone()
    return bool(row and row[0])


def create(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    """Makes the schema and the tables, without their indexes. Inside the caller's transaction."""
    connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    _execute_in(connection, projection, schema, "schema")


def create_indexes(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    """Makes the indexes and keys of the tables. Inside the caller's transaction."""
    _execute_in(connection, projection, schema, "indexes")


def index_statements(projection: Projection) -> tuple[list[LiteralString], list[LiteralString]]:
    """What makes the indexes, one by one: those that can be made at the same time, and what is left to be done then.

    A key locks its table; it is made of an index that is there, or waits until the others are.
    """
    lines = query("indexes", projection.package).splitlines()
    text = "\n".join([line for line in lines if not line.startswith("--")])
    statements = [each.strip() for each in text.split(";") if each.strip()]
    together = [each for each in statements if each.startswith(("create index", "create unique index"))]
    return together, [each for each in statements if each not in together]


def leave_to_us(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    """Keeps the server from vacuuming tables that are being filled: it would read them again with each fifth added."""
    for table in projection.tables:
        name = sql.Identifier(schema, table)
        connection.execute(sql.SQL("alter table {} set (autovacuum_enabled = off)").format(name))


def leave_to_server(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    """Ends what `leave_to_us` began."""
    for table in projection.tables:
        name = sql.Identifier(schema, table)
        connection.execute(sql.SQL("alter table {} reset (autovacuum_enabled)").format(name))


def swap(connection: Connection[TupleRow], projection: Projection) -> None:
    """Puts the next schema in the live one's place. Inside the caller's transaction."""
    row = connection.execute("select pg_current_xact_id()::text").fetchone()
    assert row is not None  # noqa: S101 - a select without from has a row
    _rename(connection, projection.schema, f"{_old_prefix(projection)}{row[0]}")
    _rename(connection, projection.next_schema, projection.schema)


def drop(connection: Connection[TupleRow], schema: str) -> None:
    """Drops a schema with all it holds, if it is there."""
    connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))


def drop_old(connection: Connection[TupleRow], projection: Projection, *, lock_timeout_s: float) -> list[str]:
    """Drops what swaps left behind. Returns the schemas that somebody still reads; the next call tries them again."""
    prefix = _old_prefix(projection)
    left = []
    for (schema,) in connection.execute(query("old_schemas", _SQL), (prefix,)).fetchall():
        try:
            with connection.transaction():
                limit_lock_wait(connection, lock_timeout_s)
                drop(connection, schema)
        except LockNotAvailable:
            left.append(schema)
    return left


def limit_lock_wait(connection: Connection[TupleRow], seconds: float) -> None:
    """Until the end of this transaction, a lock not had in `seconds` raises LockNotAvailable."""
    connection.execute("select set_config('lock_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))


@contextmanager
def writing_in(connection: Connection[TupleRow], schema: str) -> Iterator[None]:
    """Inside, names without a schema are this schema's. Inside the caller's transaction."""
    connection.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(schema)))
    yield
    connection.execute("set local search_path to default")


def _old_prefix(projection: Projection) -> str:
    return f"{projection.schema}_old_"


def _rename(connection: Connection[TupleRow], old: str, new: str) -> None:
    connection.execute(sql.SQL("alter schema {} rename to {}").format(sql.Identifier(old), sql.Identifier(new)))


def _execute_in(connection: Connection[TupleRow], projection: Projection, schema: str, name: str) -> None:
    with writing_in(connection, schema):
        connection.execute(query(name, projection.package))

"""Rows into tables, by COPY: a batch that is followed and a whole rebuild are written by the same function."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from psycopg import Connection, DataError, IntegrityError, sql
from psycopg.errors import ProgramLimitExceeded
from psycopg.rows import TupleRow

from projections.port import Projection, Row

UNWRITABLE = (DataError, IntegrityError, ProgramLimitExceeded)
"""What the database, or the driver, says about a row it cannot hold (a NUL in text, a key too long for its index)."""


def delete(connection: Connection[TupleRow], projection: Projection, schema: str, streams: Collection[str]) -> None:
    """Removes all rows made from these streams."""
    for table in projection.tables:
        statement = sql.SQL("delete from {} where stream = any(%s)").format(sql.Identifier(schema, table))
        connection.execute(statement, (list(streams),))


def copy(
    connection: Connection[TupleRow], projection: Projection, schema: str, table: str, rows: Iterable[Row]
) -> None:
    """Adds rows to a table. Raises one of `UNWRITABLE` for a row the table cannot hold."""
    columns = sql.SQL(", ").join(map(sql.Identifier, projection.tables[table]))
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(schema, table), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as target:
        for row in rows:
            target.write_row(row)


def write(
    connection: Connection[TupleRow],
    projection: Projection,
    schema: str,
    changes: Mapping[str, Sequence[tuple[str, Row]]],
    *,
    new: Collection[str] = (),
) -> None:
    """Writes what streams came to: replaces their rows, or adds to them where the projection only adds.

    `new` are those among them that have no rows yet.
    """
    if projection.whole_stream and (old := [stream for stream in changes if stream not in new]):
        delete(connection, projection, schema, old)
    for table in projection.tables:
        rows = [row for made in changes.values() for name, row in made if name == table]
        if rows:
            copy(connection, projection, schema, table, rows)

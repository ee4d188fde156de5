"""Whether two versions of a read model hold the same rows, and which they do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from ledger.sql import query
from projections.connections import reading
from projections.port import Pool, Projection

Contents = dict[str, tuple[int, str]]
"""For each `schema.table`: its number of rows, and a digest of all of them in a fixed order."""


DIFFERENCES_MAX = 1_000
"""Most differences that are told of one table."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of a live table that is not what the ledger makes of it."""

    projection: str
    table: str
    key: str
    """What tells its rows apart: a stream or a position. Of some tables several rows share it."""
    kind: Literal["changed", "missing", "unexpected"]
    columns: tuple[str, ...]
    """Where a changed row differs, nothing where there are several. What they hold is not told: it may be private."""


def differences(connection: Connection[TupleRow], projection: Projection) -> list[Difference]:
    """Where the live tables differ from the next ones, by table and key; at most `DIFFERENCES_MAX` of each table."""
    return [each for table in projection.tables for each in _differences(connection, projection, table)]


def _differences(connection: Connection[TupleRow], projection: Projection, table: str) -> list[Difference]:
    statement: LiteralString = query("differences", "projections.sql")
    rows = connection.execute(
        sql.SQL(statement).format(
            key=sql.Identifier(projection.tables[table][0]),
            live=sql.Identifier(projection.schema, table),
            rebuilt=sql.Identifier(projection.next_schema, table),
            limit=sql.Literal(DIFFERENCES_MAX),
        )
    )
    return [
        Difference(projection.name, table, key, _kind(is_live=is_live, is_rebuilt=is_rebuilt), tuple(columns))
        for key, is_live, is_rebuilt, columns in rows
    ]


def _kind(*, is_live: bool, is_rebuilt: bool) -> Literal["changed", "missing", "unexpected"]:
    if is_live and is_rebuilt:
        return "changed"
    return "unexpected" if is_live else "missing"


def contents(pool: Pool, projections: Sequence[Projection]) -> Contents:
    """What the live tables hold now. Reads every row; for checks and demonstrations.

    Raises ledger.errors.Unavailable when the database does not answer.
    """
    found: Contents = {}
    with reading(pool) as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        for projection in projections:
            for table in projection.tables:
                name = sql.Identifier(projection.schema, table)
                row = connection.execute(
                    sql.SQL(
                        "select count(*), coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} t"
                    ).format(name)
                ).fetchone()
                assert row is not None  # noqa: S101 - an aggregate has a row
                found[f"{projection.schema}.{table}"] = (row[0], row[1])
    return found

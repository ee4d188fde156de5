"""Whether two versions of a read model hold the same rows."""

from collections.abc import Sequence

from psycopg import sql

from projections.connections import reading
from projections.port import Pool, Projection

Contents = dict[str, tuple[int, str]]
"""For each `schema.table`: its number of rows, and a digest of all of them in a fixed order."""


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

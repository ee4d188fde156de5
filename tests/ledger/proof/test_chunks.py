"""Rows in chunks are the rows of the statement, and what breaks off in the middle leaves no connection half read."""

import pytest
from psycopg.errors import DivisionByZero

from ledger.proof.chunks import chunks
from ledger.sending import Pool

ROWS = 256


@pytest.mark.parametrize("count", [0, 1, ROWS - 1, ROWS, ROWS + 1, 1_000])
def test_chunks_have_every_row_in_its_order(ledger_pool: Pool, count: int) -> None:
    with ledger_pool.connection() as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table many as select n from generate_series(1, %s) n", (count,))
        every = "select n, n::text as t, null, n::text::bytea as b from many order by many.n"
        expected = cursor.execute(every, binary=True).fetchall()
        told = list(chunks(cursor, every, rows=ROWS))
        assert told == [expected[at : at + ROWS] for at in range(0, count, ROWS)]
        assert connection.execute("select 1").fetchone() == (1,)


def test_what_fails_in_the_middle_raises_its_error(ledger_pool: Pool) -> None:
    with ledger_pool.connection() as connection, connection.cursor() as cursor:
        told = chunks(cursor, "select 1 / (1000 - n) from generate_series(1, 2000) n", rows=ROWS)
        assert len(next(told)) == ROWS
        with pytest.raises(DivisionByZero):
            list(told)
        assert connection.execute("select 1").fetchone() == (1,)


def test_who_leaves_off_in_the_middle_leaves_nothing_to_others(ledger_pool: Pool) -> None:
    with ledger_pool.connection() as connection, connection.cursor() as cursor:
        told = chunks(cursor, "select repeat('x', 10000) from generate_series(1, 10000)", rows=ROWS)
        next(told)
        told.close()
        assert connection.closed
    with ledger_pool.connection() as connection:
        assert connection.execute("select 1").fetchone() == (1,)

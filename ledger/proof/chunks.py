"""Rows in chunks, as the server sends them: psycopg's own `stream` makes each by a call, which takes a sixth longer."""

from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

from psycopg import Cursor, generators
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus


def chunks(cursor: Cursor[Any], statement: LiteralString, *, rows: int) -> Iterator[Sequence[Any]]:
    """What a statement without parameters gives, in binary, `rows` at a time, in one snapshot, while the server goes on.

    The connection is the caller's again when it ends, also where somebody leaves off in the middle. Raises psycopg.Error.
    """
    connection, pgconn = cursor.connection, cursor.connection.pgconn
    made = Transformer(cursor)
    with connection.lock:
        pgconn.send_query_params(statement.encode(), None, result_format=Format.BINARY)
        pgconn.set_chunked_rows_mode(rows)
        try:
            while (result := connection.wait(generators.fetch(pgconn))) is not None:
                if result.status == ExecStatus.TUPLES_CHUNK:
                    made.set_pgresult(result)
                    yield made.load_rows(0, result.ntuples, tuple)
                elif result.status != ExecStatus.TUPLES_OK:  # which is the end, and empty
                    raise error_from_result(result, encoding=connection.info.encoding)
        finally:
            if pgconn.transaction_status == TransactionStatus.ACTIVE:
                connection.cancel_safe()
                while connection.wait(generators.fetch(pgconn)) is not None:
                    pass

"""Connections to read the projections with."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.errors import Unavailable
from projections.port import Pool

UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, Unavailable)
"""What is raised while the server is away. The pool's own errors are operational errors too."""


@contextmanager
def reading(pool: Pool) -> Iterator[Connection[TupleRow]]:
    """A connection to answer a question with. Raises ledger.errors.Unavailable when the database does not answer."""
    try:
        with pool.connection() as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(f"the projections' database does not answer: {type(error).__name__}") from error

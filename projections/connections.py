"""Connections to read the projections with."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection
from psycopg.errors import (
    IdleInTransactionSessionTimeout,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
    WrongObjectType,
)
from psycopg.rows import TupleRow

from ledger.errors import Unavailable
from projections.errors import OtherVersion
from projections.port import Pool

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, IdleInTransactionSessionTimeout)
"""The server is away, or ended a transaction of a process that was too slow: an error of another class for psycopg."""
UNREACHABLE = (*_AWAY, Unavailable)
"""What is raised while the server is away. The pool's own errors are operational errors too."""
_OTHER_TABLES = (UndefinedColumn, UndefinedFunction, UndefinedTable, WrongObjectType)
"""What is raised by tables of another version. A column `rank` that is not there is taken for the function."""


@contextmanager
def reading(pool: Pool) -> Iterator[Connection[TupleRow]]:
    """A connection to answer a question with.

    Raises ledger.errors.Unavailable when the database does not answer, and OtherVersion when its tables are not those
    that are asked for: `Projector.ensure` leaves those of another version as they are.
    """
    try:
        with pool.connection() as connection:
            yield connection
    except _AWAY as error:
        raise Unavailable(f"the projections' database does not answer: {type(error).__name__}") from error
    except _OTHER_TABLES as error:
        raise OtherVersion from error

"""What a projection is: a pure mapping from a stream's history to rows, in Python or in SQL.

The projector and the rebuild apply the same mapping to the same events, so a table that was followed live and one that
was rebuilt are equal by construction.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ledger import streams
from projections.story import Story

Pool = ConnectionPool[Connection[TupleRow]]
"""A pool of connections in autocommit mode."""

Row = tuple[Any, ...]
TableRow = tuple[str, Row]
"""A table's name and one row for it, in the order of the table's columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """One question's read model.

    Its tables live in a PostgreSQL schema of their own (`schema`); their DDL is `schema.sql` and `indexes.sql` in the
    folder `sql/<name>`, without schema names.

    A read model whose rows need nothing but the event they are made from is made by the database, without a way through
    Python: `rows` is None, and `sql/<name>/insert.sql` adds the rows of the events in `told` (`sql/stretch.sql`). Every
    event is decoded and validated all the same, and a stream with a bad one is left out.
    """

    name: str
    version: int
    """Raise it when `rows` or the tables change: a projection stored under another version must be rebuilt."""
    tables: Mapping[str, tuple[str, ...]]
    """The columns of each table, first what tells its rows apart. One is named `stream`: what a row was made from."""
    rows: Callable[[Story], Iterable[TableRow]] | None
    """Pure: the rows of a stream. Raises what it likes about a history it cannot read.

    It asks no event for its id, correlation, causation or trace, and none but the first for when it was recorded:
    a rebuild does not read them.

    None: `insert.sql` makes the rows.
    """
    categories: frozenset[str] | None = None
    """Stream categories that are read; None: all of them."""
    whole_stream: bool = True
    """True: `rows` gets a stream's whole history and what it returns replaces the stream's rows.

    False: `rows`, or `insert.sql`, gets new events only and what it makes is added.
    """

    def __post_init__(self) -> None:
        assert self.rows is not None or not self.whole_stream, self.name  # noqa: S101 - insert.sql only adds

    @property
    def schema(self) -> str:
        """The PostgreSQL schema of the live version."""
        return f"projection_{self.name}"

    @property
    def next_schema(self) -> str:
        """The PostgreSQL schema a rebuild fills beside the live one."""
        return f"projection_{self.name}_next"

    @property
    def package(self) -> str:
        """Where its SQL is."""
        return f"projections.sql.{self.name}"

    def reads(self, stream: str) -> bool:
        """Whether events of this stream make rows here."""
        return self.categories is None or streams.category(stream) in self.categories

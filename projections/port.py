"""What a projection is: a pure mapping from a stream's history to rows.

The projector and the rebuild call the same function on the same events, so a table that was followed live and one that
was rebuilt are equal by construction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ledger import streams
from ledger.envelope import Event

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
    """

    name: str
    version: int
    """Raise it when `rows` or the tables change: a projection stored under another version must be rebuilt."""
    tables: Mapping[str, tuple[str, ...]]
    """The columns of each table. Every table has one named `stream`: the stream a row was made from."""
    rows: Callable[[str, Sequence[Event]], Iterable[TableRow]]
    """Pure: the rows of a stream. Raises what it likes about a history it cannot read."""
    categories: frozenset[str] | None = None
    """Stream categories that are read; None: all of them."""
    whole_stream: bool = True
    """True: `rows` gets a stream's whole history and what it returns replaces the stream's rows.

    False: `rows` gets new events only and what it returns is added.
    """

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

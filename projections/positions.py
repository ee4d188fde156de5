"""How far each projection has come, and which streams it could not read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ledger.sql import query
from projections.port import Projection

State = Literal["current", "behind", "rebuilding", "of another version", "ahead of the ledger"]

_SQL = "projections.sql"


@dataclass(frozen=True, slots=True)
class Stored:
    """The version and position of a projection's tables."""

    version: int
    position: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a projection is behind the ledger."""

    name: str
    version: int
    position: int
    head: int
    lag_events: int
    lag_s: float
    """Age in seconds of the oldest event that is not in the tables yet."""
    parked: int
    """Streams that could not be read."""
    skipped: int
    """Streams that could not be read and are left as they are."""
    gaps: int
    """Events up to the position that the rows lack, all of them in parked or skipped streams."""
    rebuilding: bool
    """Whether some process rebuilds it now."""

    def state(self, version: int) -> "State":
        """How it stands, for a program that makes this version of it."""
        if self.rebuilding:
            return "rebuilding"
        if self.version != version:
            return "of another version"
        if self.position > self.head:
            return "ahead of the ledger"
        return "behind" if self.lag_events else "current"


@dataclass(frozen=True, slots=True)
class Parked:
    """A stream that a projection could not read."""

    name: str
    stream: str
    position: int
    """From here on its events are missing in its rows."""
    error_code: str
    parked_at: datetime
    skipped_at: datetime | None
    """When it was said that it is left as it is; None: it is tried again with its next event and at every start."""


def create(connection: Connection[TupleRow]) -> None:
    """Makes the tables of this module unless they are there."""
    connection.execute(query("positions", _SQL))


def read(connection: Connection[TupleRow]) -> dict[str, Stored]:
    """Every projection's version and position."""
    rows = connection.execute(query("positions_all", _SQL))
    return {name: Stored(version, position) for name, version, position in rows}


def lock(connection: Connection[TupleRow], name: str) -> Stored | None:
    """A projection's version and position, held until the end of the transaction; None when it was never made."""
    row = connection.execute(query("position_lock", _SQL), (name,)).fetchone()
    return Stored(*row) if row else None


def move(connection: Connection[TupleRow], name: str, position: int) -> None:
    """Says that all events up to `position` are in the tables, in the transaction that put them there."""
    connection.execute(query("position_move", _SQL), {"name": name, "position": position})


def pass_over(connection: Connection[TupleRow], projections: Collection[Projection], after: int, until: int) -> None:
    """Says of those that stand at `after` that nothing up to `until` concerns them."""
    names, versions = [each.name for each in projections], [each.version for each in projections]
    key = {"names": names, "versions": versions, "after": after, "until": until}
    connection.execute(query("positions_pass", _SQL), key)


def put(connection: Connection[TupleRow], projection: Projection, position: int) -> None:
    """Says that the tables are new: of this version, at this position, with no stream parked."""
    key: dict[str, Any] = {"name": projection.name, "version": projection.version, "position": position}
    connection.execute(query("position_set", _SQL), key)
    connection.execute(query("unpark_all", _SQL), (projection.name,))


def park(connection: Connection[TupleRow], name: str, stream: str, position: int, error_code: str) -> None:
    """Says that a stream's rows lack its events from `position` on."""
    key: dict[str, Any] = {"name": name, "stream": stream, "position": position, "error_code": error_code}
    connection.execute(query("park", _SQL), key)


def parked(connection: Connection[TupleRow], name: str) -> dict[str, int]:
    """Parked streams, each with the position from which its events are missing in its rows."""
    return dict(connection.execute(query("parked", _SQL), (name,)).fetchall())


def parked_streams(connection: Connection[TupleRow], names: Collection[str]) -> list[str]:
    """Streams that any of these projections parked, and that are not left as they are."""
    return [stream for (stream,) in connection.execute(query("parked_streams", _SQL), (list(names),))]


def parked_all(connection: Connection[TupleRow]) -> list[Parked]:
    """Every parked stream, by projection."""
    with connection.cursor(row_factory=class_row(Parked)) as cursor:
        return cursor.execute(query("parked_all", _SQL)).fetchall()


def skip(connection: Connection[TupleRow], names: Collection[str], stream: str, *, skipped: bool) -> int:
    """Says that a parked stream is left as it is, or is not. Returns how many of these projections parked it."""
    key: dict[str, Any] = {"names": list(names), "stream": stream, "skipped": skipped}
    return connection.execute(query("skip", _SQL), key).rowcount


def skipped(connection: Connection[TupleRow], name: str) -> frozenset[str]:
    """Parked streams that are left as they are."""
    return frozenset(stream for (stream,) in connection.execute(query("skipped", _SQL), (name,)))


def unpark(connection: Connection[TupleRow], name: str, streams: Collection[str]) -> None:
    """Says that these streams' rows are complete again."""
    connection.execute(query("unpark", _SQL), (name, list(streams)))


def lag(connection: Connection[TupleRow]) -> list[Lag]:
    """How far each projection is behind, by name."""
    with connection.cursor(row_factory=class_row(Lag)) as cursor:
        return cursor.execute(query("lag", _SQL)).fetchall()

"""Rows that the database makes itself, from the events where they lie."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.payloads import ReadPayload, unread
from ledger.sql import query
from projections import schemas, tables
from projections.errors import UnprojectableEvent
from projections.port import Projection

_SQL = "projections.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The events with `after` < position <= `until`: all but those of some streams, or those of one stream only."""

    after: int
    until: int
    left_out: Collection[str] = ()
    only: str | None = None


Moved = Mapping[int, bytes]
"""By position: payloads that are in files, or what stands for them in the table."""


def insert(
    connection: Connection[TupleRow],
    projection: Projection,
    schema: str,
    stretch: Stretch,
    payloads: ReadPayload = unread,
) -> None:
    """Adds the rows of a stretch, inside the caller's transaction. `payloads` reads those of closed segments.

    Raises UnprojectableEvent, which names the first event that makes no row; none of the stretch is written then; and
    ledger.errors.SegmentUnreadable.
    """
    moved = _moved(connection, projection, stretch)
    brought = {position: payloads(position, stored) for position, stored in moved.items()}
    try:
        with connection.transaction():
            _execute(connection, projection, schema, stretch, brought)
    except tables.UNWRITABLE as error:
        if _moved(connection, projection, stretch) != moved:  # a segment was closed meanwhile
            insert(connection, projection, schema, stretch, payloads)
            return
        position = _first_bad(connection, projection, schema, stretch, brought)
        row = connection.execute(query("event_at", _SQL), (position,)).fetchone()
        assert row is not None  # noqa: S101 - the ledger is dense
        # Not the whole message: its details quote the payload.
        cause = f"{type(error).__name__}: {error.diag.message_primary}"
        raise UnprojectableEvent(stream=row[0], version=row[1], cause=cause) from error


def _moved(connection: Connection[TupleRow], projection: Projection, stretch: Stretch) -> Moved:
    """What of the stretch is in files."""
    return dict(connection.execute(query("moved", _SQL), _bounds(projection, stretch), binary=True).fetchall())


def _bounds(projection: Projection, stretch: Stretch) -> dict[str, object]:
    return {
        "after": stretch.after,
        "until": stretch.until,
        "categories": None if projection.categories is None else sorted(projection.categories),
        "left_out": list(stretch.left_out),
        "only": stretch.only,
    }


def _execute(
    connection: Connection[TupleRow], projection: Projection, schema: str, stretch: Stretch, brought: Moved
) -> None:
    given = {"moved": list(brought), "payloads": list(brought.values())}
    with schemas.writing_in(connection, schema):
        statement = query("stretch", _SQL) + query("insert", projection.package)
        # Not prepared: what a stretch is bounded by decides how it is read.
        connection.execute(statement, {**_bounds(projection, stretch), **given}, prepare=False)


def _first_bad(
    connection: Connection[TupleRow], projection: Projection, schema: str, stretch: Stretch, brought: Moved
) -> int:
    """The position of the event with which a stretch that cannot be written begins to be so."""
    good, bad = stretch.after, stretch.until
    while bad - good > 1:
        middle = (good + bad) // 2
        if _can_be_written(connection, projection, schema, replace(stretch, until=middle), brought):
            good = middle
        else:
            bad = middle
    return bad


def _can_be_written(
    connection: Connection[TupleRow], projection: Projection, schema: str, stretch: Stretch, brought: Moved
) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            _execute(connection, projection, schema, stretch, brought)
    except tables.UNWRITABLE:
        return False
    return True

"""One batch of events into one projection's tables, inside one transaction."""

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.envelope import Event
from projections import tables
from projections.batch import Batch, History
from projections.port import Projection, TableRow

OnBad = Callable[[History, int, Exception], None]
"""Called with a stream that cannot be applied, the position it stands at, and why. It parks the stream, or raises."""


def apply(
    connection: Connection[TupleRow],
    projection: Projection,
    schema: str,
    batch: Batch,
    *,
    position: int,
    parked: Mapping[str, int],
    on_bad: OnBad,
) -> set[str]:
    """Writes what the batch adds to tables that hold everything up to `position`, but for `parked` streams.

    A parked stream gets all that its rows lack. Returns the parked streams that are complete again.
    """
    changes: dict[str, Sequence[TableRow]] = {}
    complete_to: dict[str, int] = {}
    for history in batch.histories:
        done = min(position, parked.get(history.stream, position + 1) - 1)
        if not projection.reads(history.stream) or history.last_position <= done:
            continue
        complete_to[history.stream] = done
        try:
            rows = _rows(projection, history, done, gapless=done >= batch.after)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one stream must not stop the others
            on_bad(history, done, error)
        else:
            changes[history.stream] = rows
    unwritable = _write(connection, projection, schema, changes)
    for history in batch.histories:
        if history.stream in unwritable:
            on_bad(history, complete_to[history.stream], unwritable[history.stream])
    return {stream for stream in changes if stream in parked and stream not in unwritable}


def _rows(projection: Projection, history: History, done: int, *, gapless: bool) -> list[TableRow]:
    if history.bad is not None:
        raise history.bad
    if not history.whole and (projection.whole_stream or not gapless):
        raise LookupError("events before this batch are needed and were not read")
    events: Sequence[Event] = history.events
    if not projection.whole_stream:
        events = [event for event in events if event.position is not None and event.position > done]
    return list(projection.rows(history.stream, events))


def _write(
    connection: Connection[TupleRow], projection: Projection, schema: str, changes: Mapping[str, Sequence[TableRow]]
) -> dict[str, Exception]:
    """Writes all changes at once or, when one cannot be held, each alone. Returns the streams that failed, and why."""
    if not changes:
        return {}
    try:
        with connection.transaction():
            tables.write(connection, projection, schema, changes)
    except tables.UNWRITABLE:
        return _write_each(connection, projection, schema, changes)
    return {}


def _write_each(
    connection: Connection[TupleRow], projection: Projection, schema: str, changes: Mapping[str, Sequence[TableRow]]
) -> dict[str, Exception]:
    failed: dict[str, Exception] = {}
    for stream, rows in changes.items():
        try:
            with connection.transaction():
                tables.write(connection, projection, schema, {stream: rows})
        except tables.UNWRITABLE as error:
            failed[stream] = error
    return failed

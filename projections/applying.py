"""One batch of events into one projection's tables, inside one transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.payloads import ReadPayload
from projections import tables
from projections.batch import Batch, History
from projections.errors import UnprojectableEvent
from projections.inserting import Stretch, insert
from projections.port import Projection, TableRow
from projections.story import Story

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
    payloads: ReadPayload,
) -> set[str]:
    """Writes what the batch adds to tables that hold everything up to `position`, but for `parked` streams.

    A parked stream gets all that its rows lack. Returns the parked streams that are complete again. `payloads` reads
    those of closed segments; raises ledger.errors.SegmentUnreadable.
    """
    if projection.rows is not None:
        return _apply_in_python(connection, projection, schema, batch, position=position, parked=parked, on_bad=on_bad)

    def add(stretch: Stretch) -> None:
        insert(connection, projection, schema, stretch, payloads)

    return _apply_in_database(projection, batch, add, position=position, parked=parked, on_bad=on_bad)


def _apply_in_database(
    projection: Projection,
    batch: Batch,
    add: Callable[[Stretch], None],
    *,
    position: int,
    parked: Mapping[str, int],
    on_bad: OnBad,
) -> set[str]:
    left_out = set(parked)
    complete: set[str] = set()
    histories = {each.stream: each for each in batch.histories if projection.reads(each.stream)}
    for history in histories.values():
        done = min(position, parked.get(history.stream, position + 1) - 1)
        if history.last_position <= done:
            continue
        if history.bad is not None:
            left_out.add(history.stream)
            on_bad(history, done, history.bad)
        elif history.stream in parked:
            stretch = Stretch(after=done, until=history.last_position, only=history.stream)
            try:
                add(stretch)
            except UnprojectableEvent as error:
                on_bad(history, done, error)
            else:
                complete.add(history.stream)
    while batch.until > position:
        try:
            add(Stretch(after=position, until=batch.until, left_out=left_out))
        except UnprojectableEvent as error:
            left_out.add(error.stream)
            on_bad(histories[error.stream], position, error)
        else:
            break
    return complete


def _apply_in_python(
    connection: Connection[TupleRow],
    projection: Projection,
    schema: str,
    batch: Batch,
    *,
    position: int,
    parked: Mapping[str, int],
    on_bad: OnBad,
) -> set[str]:
    changes: dict[str, Sequence[TableRow]] = {}
    complete_to: dict[str, int] = {}
    new: set[str] = set()
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
            if history.begins_after(done):
                new.add(history.stream)
    unwritable = _write(connection, projection, schema, changes, new)
    for history in batch.histories:
        if history.stream in unwritable:
            on_bad(history, complete_to[history.stream], unwritable[history.stream])
    return {stream for stream in changes if stream in parked and stream not in unwritable}


def _rows(projection: Projection, history: History, done: int, *, gapless: bool) -> list[TableRow]:
    if history.bad is not None:
        raise history.bad
    if not history.whole and (projection.whole_stream or not gapless):
        raise LookupError("events before this batch are needed and were not read")
    story = history.story
    if not projection.whole_stream:
        story = Story(history.stream, [event for event in story.events if (event.position or 0) > done])
    assert projection.rows is not None, projection.name  # noqa: S101 - the database makes the rows of the others
    return list(projection.rows(story))


def _write(
    connection: Connection[TupleRow],
    projection: Projection,
    schema: str,
    changes: Mapping[str, Sequence[TableRow]],
    new: Collection[str],
) -> dict[str, Exception]:
    """Writes all changes at once or, when one cannot be held, each alone. Returns the streams that failed, and why."""
    if not changes:
        return {}
    try:
        with connection.transaction():
            tables.write(connection, projection, schema, changes, new=new)
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

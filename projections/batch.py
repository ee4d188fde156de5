"""A stretch of the ledger, read and decoded once for all projections that need it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.application import Ledger
from ledger.envelope import Event
from ledger.errors import Corrupt
from ledger.mapper import RecordedRow
from ledger.port import POSITION_MAX
from ledger.recorder import recorded_row
from ledger.sql import query

_SQL = "projections.sql"


@dataclass(frozen=True, slots=True)
class History:
    """The events of one stream that a batch touches.

    From the stream's beginning when `whole`, else from the batch's. `bad` is what is wrong with an event that could not
    be decoded; there are no events then.
    """

    stream: str
    whole: bool
    events: Sequence[Event]
    last_position: int
    bad: Corrupt | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything in the ledger with `after` < position <= `until`, by stream."""

    after: int
    until: int
    histories: Sequence[History]


def read_batch(
    connection: Connection[TupleRow],
    ledger: Ledger,
    *,
    after: int,
    until: int | None,
    limit: int,
    whole: Callable[[str], bool],
) -> Batch:
    """The next `limit` events behind `after`; streams for which `whole` is true come with all that went before."""
    bounds = {"after": after, "until": POSITION_MAX if until is None else until, "limit": limit}
    new = [recorded_row(row) for row in connection.execute(query("events_after", _SQL), bounds, binary=True)]
    if not new:
        return Batch(after, after, ())
    last = new[-1].id
    assert last == after + len(new), f"positions {after + 1} to {last} have a gap"  # noqa: S101 - corruption
    touched = {str(row.originator_id) for row in new}
    long = {stream for stream in touched if whole(stream)}
    rest = sorted((row for row in new if row.originator_id not in long), key=_by_version)
    histories = [*read_histories(connection, ledger, long, until=last), *_histories(ledger, rest, whole=False)]
    return Batch(after, last, histories)


def read_histories(
    connection: Connection[TupleRow], ledger: Ledger, streams: Collection[str], *, until: int
) -> list[History]:
    """All events up to position `until` of these streams."""
    if not streams:
        return []
    rows = connection.execute(query("histories", _SQL), {"streams": list(streams), "until": until}, binary=True)
    return _histories(ledger, map(recorded_row, rows), whole=True)


def _by_version(row: RecordedRow) -> tuple[str, int]:
    return str(row.originator_id), row.originator_version


def _histories(ledger: Ledger, rows: Iterable[RecordedRow], *, whole: bool) -> list[History]:
    """`rows` come by stream and version."""
    return [
        _history(ledger, str(stream), list(group), whole=whole)
        for stream, group in groupby(rows, key=attrgetter("originator_id"))
    ]


def _history(ledger: Ledger, stream: str, rows: Sequence[RecordedRow], *, whole: bool) -> History:
    last_position = rows[-1].id
    try:
        return History(stream, whole, ledger.decode(rows), last_position)
    except Corrupt as error:
        return History(stream, whole, (), last_position, error)

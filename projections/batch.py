"""A stretch of the ledger, read and decoded once for all projections that need it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.application import Ledger
from ledger.errors import Corrupt
from ledger.port import POSITION_MAX
from ledger.sql import query
from projections.port import Projection
from projections.story import Story

_SQL = "projections.sql"
_POSITION, _STREAM, _VERSION = 0, 1, 2
"""Places of these columns in a row of the ledger."""


@dataclass(frozen=True, slots=True)
class History:
    """The events of one stream that a batch touches.

    From the stream's beginning when `whole`, else from the batch's. `bad` is what is wrong with an event that could not
    be decoded; there are no events then.
    """

    stream: str
    whole: bool
    story: Story
    last_position: int
    bad: Corrupt | None = None

    def begins_after(self, position: int) -> bool:
        """Whether the stream has no event up to this position."""
        first = self.story.events[0] if self.story.events else None
        return first is not None and first.version == 1 and (first.position or 0) > position


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything in the ledger with `after` < position <= `until`, by stream."""

    after: int
    until: int
    histories: Sequence[History]

    def concerns(self, projection: Projection) -> bool:
        """Whether the projection reads any of it."""
        return any(projection.reads(each.stream) for each in self.histories)

    def without(self, streams: Collection[str]) -> "Batch":
        """The same but for these streams."""
        if not streams:
            return self
        return Batch(self.after, self.until, [each for each in self.histories if each.stream not in streams])


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
    new = connection.execute(query("events_after", _SQL), bounds, binary=True).fetchall()
    if not new:
        return Batch(after, after, ())
    last: int = new[-1][_POSITION]
    assert last == after + len(new), f"positions {after + 1} to {last} have a gap"  # noqa: S101 - corruption
    begun = {row[_STREAM] for row in new if row[_VERSION] == 1}  # nothing went before what begins here
    long = {stream for stream in {row[_STREAM] for row in new} - begun if whole(stream)}
    rest = sorted((row for row in new if row[_STREAM] not in long), key=itemgetter(_STREAM, _VERSION))
    histories = [*read_histories(connection, ledger, long, until=last), *_histories(ledger, rest, whole=begun)]
    return Batch(after, last, histories)


def read_histories(
    connection: Connection[TupleRow], ledger: Ledger, streams: Collection[str], *, until: int
) -> list[History]:
    """All events up to position `until` of these streams."""
    if not streams:
        return []
    rows = connection.execute(query("histories", _SQL), {"streams": list(streams), "until": until}, binary=True)
    return _histories(ledger, rows, whole=streams)


def _histories(ledger: Ledger, rows: Iterable[tuple[Any, ...]], *, whole: Collection[str]) -> list[History]:
    """`rows` come by stream and version; of the streams in `whole` from the beginning."""
    return [
        _history(ledger, stream, list(group), whole=stream in whole)
        for stream, group in groupby(rows, key=itemgetter(_STREAM))
    ]


def _history(ledger: Ledger, stream: str, rows: Sequence[tuple[Any, ...]], *, whole: bool) -> History:
    last_position = rows[-1][_POSITION]
    try:
        return History(stream, whole, Story(stream, ledger.events_in(rows)), last_position)
    except Corrupt as error:
        return History(stream, whole, Story(stream, ()), last_position, error)

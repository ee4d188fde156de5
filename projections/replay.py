"""The ledger from the beginning into empty tables: read by stream, fold a stream at a time, COPY in. Memory stays flat.

A server-side cursor is read, not COPY: psycopg decodes its rows many at a time (measured: 3 us a row against 5).
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.application import Ledger
from ledger.envelope import Event
from ledger.errors import Corrupt
from ledger.recorder import recorded_row
from ledger.sql import query
from projections import tables
from projections.errors import RebuildRefused
from projections.port import Projection, Row

READ_ROWS = 2_000
"""Rows that are fetched at a time."""
WRITE_ROWS_MAX = 10_000
"""Rows of a table that are held before they are written."""
PROGRESS_EVENTS = 10_000
"""Events between two calls of the progress callback."""
SORT_MEMORY = "64MB"
"""What the server may use to bring the ledger into the order of streams."""

OnProgress = Callable[[int, int], None]
"""Called with the events done and their total."""

_SQL = "projections.sql"


class Replay:
    """One pass over the ledger that feeds all `projections`' next schemas."""

    def __init__(self, ledger: Ledger, projections: Sequence[Projection], on_progress: OnProgress) -> None:
        self._ledger = ledger
        self._projections = projections
        self._on_progress = on_progress
        self._held: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self._by_name = {each.name: each for each in projections}

    def run(self, source: Connection[TupleRow], target: Connection[TupleRow], *, until: int) -> None:
        """Writes the rows of everything up to position `until`. Raises RebuildRefused at the first bad event."""
        categories = _categories(self._projections)
        total = _count(source, categories, until)
        done = reported = 0
        self._on_progress(done, total)
        with closing(self._histories(source, categories, until)) as histories:
            for stream, events in histories:
                self._fold(target, stream, events)
                done += len(events)
                if done >= reported + PROGRESS_EVENTS:
                    self._on_progress(done, total)
                    reported = done
        for name, table in list(self._held):
            self._write(target, name, table)
        self._on_progress(done, total)

    def _histories(
        self, source: Connection[TupleRow], categories: list[str] | None, until: int
    ) -> Generator[tuple[str, list[Event]], None, None]:
        """Every stream with all its events up to `until`."""
        with source.transaction(), source.cursor("replay") as cursor:
            source.execute(query("replay_settings", _SQL), (SORT_MEMORY,))
            cursor.itersize = READ_ROWS
            cursor.execute(query("replay", _SQL), {"until": until, "categories": categories}, binary=True)
            for stream, rows in groupby(cursor, key=itemgetter(1)):
                yield stream, self._decode(stream, rows)

    def _decode(self, stream: str, rows: Iterable[Row]) -> list[Event]:
        try:
            return self._ledger.decode(map(recorded_row, rows))
        except Corrupt as error:
            raise RebuildRefused(", ".join(self._by_name), stream, error) from error

    def _fold(self, target: Connection[TupleRow], stream: str, events: Sequence[Event]) -> None:
        for projection in self._projections:
            if projection.rows is None or not projection.reads(stream):
                continue
            try:
                made = list(projection.rows(stream, events))
            except Exception as error:
                raise RebuildRefused(projection.name, stream, error) from error
            for table, row in made:
                held = self._held[projection.name, table]
                held.append(row)
                if len(held) >= WRITE_ROWS_MAX:
                    self._write(target, projection.name, table)

    def _write(self, target: Connection[TupleRow], name: str, table: str) -> None:
        projection = self._by_name[name]
        rows = self._held.pop((name, table), [])
        try:
            tables.copy(target, projection, projection.next_schema, table, rows)
        except tables.UNWRITABLE as error:
            raise RebuildRefused(name, f"a row of {table}", error) from error


def _categories(projections: Sequence[Projection]) -> list[str] | None:
    """The stream categories that anybody reads; None: all."""
    wanted: set[str] = set()
    for projection in projections:
        if projection.categories is None:
            return None
        wanted |= projection.categories
    return sorted(wanted)


def _count(source: Connection[TupleRow], categories: list[str] | None, until: int) -> int:
    row = source.execute(query("replay_count", _SQL), {"until": until, "categories": categories}).fetchone()
    return row[0] if row else 0

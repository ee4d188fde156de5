"""The ledger from the beginning into empty tables: read by stream, fold a stream at a time, COPY in. Memory stays flat.

Every event is decoded and validated, also of streams whose rows the database makes, or that make none.

A server-side cursor is read, not COPY: psycopg decodes its rows many at a time (measured: 3 us a row against 5).
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from operator import itemgetter

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger import streams
from ledger.application import Ledger
from ledger.errors import Corrupt
from ledger.sql import query
from projections import tables
from projections.errors import RebuildRefused
from projections.port import Projection, Row
from projections.story import Story

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
_STREAM = 1
"""Place of this column in a row of the ledger."""


class Replay:
    """One pass over the ledger that feeds all `projections`' next schemas, but those that the database fills."""

    def __init__(self, ledger: Ledger, projections: Sequence[Projection], on_progress: OnProgress) -> None:
        self._ledger = ledger
        self._projections = projections
        self._on_progress = on_progress
        self._held: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self._by_category: dict[str, list[Projection]] = {}
        self._by_name = {each.name: each for each in projections}

    def run(self, source: Connection[TupleRow], target: Connection[TupleRow], *, until: int) -> None:
        """Writes the rows of everything up to position `until`. Raises RebuildRefused at the first bad event."""
        categories = _categories(self._projections)
        total = _count(source, categories, until)
        done = reported = 0
        self._on_progress(done, total)
        with closing(_rows(source, categories, until)) as rows:
            for stream, of_stream in groupby(rows, key=itemgetter(_STREAM)):
                done += self._take(target, stream, of_stream)
                if done >= reported + PROGRESS_EVENTS:
                    self._on_progress(done, total)
                    reported = done
        for name, table in list(self._held):
            self._write(target, name, table)
        self._on_progress(done, total)

    def _take(self, target: Connection[TupleRow], stream: str, rows: Iterable[Row]) -> int:
        """Folds one stream into rows. Returns the number of its events."""
        readers = self._readers(streams.category(stream))
        try:
            if not readers:
                # One by one, and none is kept: there are streams that take part in everything, and have no end.
                return self._ledger.validate(rows)
            story = Story(stream, self._ledger.events_in(rows))
        except Corrupt as error:
            raise RebuildRefused(", ".join(self._by_name), stream, error) from error
        for projection in readers:
            self._hold(target, projection, story)
        return len(story.events)

    def _readers(self, category: str) -> list[Projection]:
        """The projections that make rows of such streams in Python."""
        known = self._by_category.get(category)
        if known is None:
            in_python = [each for each in self._projections if each.rows is not None]
            known = [each for each in in_python if each.categories is None or category in each.categories]
            self._by_category[category] = known
        return known

    def _hold(self, target: Connection[TupleRow], projection: Projection, story: Story) -> None:
        assert projection.rows is not None, projection.name  # noqa: S101 - the database makes the rows of the others
        try:
            made = list(projection.rows(story))
        except Exception as error:
            raise RebuildRefused(projection.name, story.stream, error) from error
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
        except tables.UNWRITABLE:
            for row in rows:
                self._write_alone(target, projection, table, row)
            raise  # each could be written alone

    def _write_alone(self, target: Connection[TupleRow], projection: Projection, table: str, row: Row) -> None:
        """Names the stream of a row that the table cannot hold."""
        try:
            tables.copy(target, projection, projection.next_schema, table, [row])
        except tables.UNWRITABLE as error:
            stream = row[projection.tables[table].index("stream")]
            raise RebuildRefused(projection.name, stream, error) from error


def _rows(source: Connection[TupleRow], categories: list[str] | None, until: int) -> Generator[Row, None, None]:
    """The ledger's rows up to `until`, by stream and version."""
    with source.transaction(), source.cursor("replay") as cursor:
        source.execute(query("replay_settings", _SQL), (SORT_MEMORY,))
        cursor.execute(query("replay", _SQL), {"until": until, "categories": categories}, binary=True)
        yield from _ahead(lambda: cursor.fetchmany(READ_ROWS))


def _ahead(fetch: Callable[[], list[Row]]) -> Iterator[Row]:
    """Everything that is fetched, the next rows while those before them are worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(fetch)
        while rows := coming.result():
            coming = thread.submit(fetch)
            yield from rows


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

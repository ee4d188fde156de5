"""The ledger from the beginning into empty tables: read by stream, fold a stream at a time, COPY in. Memory stays flat.

Every event is decoded and validated, also of streams whose rows the database makes, or that make none.

A server-side cursor is read, not COPY: psycopg decodes its rows many at a time (measured: 3 us a row against 5).
"""

import gc
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from itertools import chain, groupby
from operator import itemgetter

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger import streams
from ledger.errors import Corrupt
from ledger.mapper import FactMapper
from ledger.sql import query
from projections import tables
from projections.errors import RebuildRefused
from projections.port import Projection, Row
from projections.shares import Share
from projections.story import Story

READ_ROWS = 2_000
"""Rows that are fetched at a time."""
WRITE_ROWS_MAX = 1_000
"""Rows of a table that are held before they are written: few enough to be in the processor's cache still."""
PROGRESS_EVENTS = 10_000
"""Events between two calls of the progress callback."""
SORT_MEMORY = "64MB"
"""What the server may use to bring the ledger into the order of streams, where no index has it."""
COLLECT_OBJECTS = 1_000_000
"""New objects after which Python looks for cycles among them."""

OnDone = Callable[[int], None]
"""Called with the number of events done so far."""

_SQL = "projections.sql"
_STREAM = 1
"""Place of this column in a row of the ledger."""


class Replay:
    """One pass over shares of the ledger that feeds the next schemas of `projections`, but what the database fills."""

    def __init__(self, mapper: FactMapper, projections: Sequence[Projection], on_done: OnDone) -> None:
        self._mapper = mapper
        self._projections = projections
        self._on_done = on_done
        self._done = 0
        self._held: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self._by_category: dict[str, list[Projection]] = {}
        self._by_name = {each.name: each for each in projections}

    def run(self, source: Connection[TupleRow], target: Connection[TupleRow], shares: Iterable[Share]) -> int:
        """Writes the rows of shares. Returns the number of their events. Raises RebuildRefused at the first bad one."""
        with _collecting_seldom(), source.transaction():
            source.execute(query("replay_settings", _SQL), (SORT_MEMORY,))
            for share in shares:
                with closing(_folded(source, share)) as batches:
                    self._fold(target, batches)
                with closing(_unfolded(source, share)) as batches:
                    self._validate(batches)
        for name, table in list(self._held):
            self._write(target, name, table)
        self._on_done(self._done)
        return self._done

    def _fold(self, target: Connection[TupleRow], batches: Iterable[list[Row]]) -> None:
        """Events by stream and version."""
        for stream, rows in groupby(chain.from_iterable(batches), key=itemgetter(_STREAM)):
            try:
                story = Story(stream, self._mapper.events_to_fold(rows))
            except Corrupt as error:
                raise RebuildRefused(", ".join(self._by_name), stream, error) from error
            for projection in self._readers(streams.category(stream)):
                self._hold(target, projection, story)
            self._add(len(story.events))

    def _validate(self, batches: Iterable[list[Row]]) -> None:
        """Events in whatever order. None is kept: there are streams that take part in everything, and have no end."""
        for rows in batches:
            by_type: dict[str, list[bytes]] = defaultdict(list)
            for _, _, _, kind, state in rows:
                by_type[kind].append(state)
            if not all(self._mapper.are_facts(kind, states) for kind, states in by_type.items()):
                self._look_closely(rows)
            self._add(len(rows))

    def _look_closely(self, rows: Iterable[Row]) -> None:
        """Events one by one: some are of an older schema, in cold files, or none."""
        for row in rows:
            try:
                self._mapper.fact(row)
            except Corrupt as error:
                raise RebuildRefused(", ".join(self._by_name), row[_STREAM], error) from error

    def _add(self, events: int) -> None:
        before, self._done = self._done, self._done + events
        if before // PROGRESS_EVENTS < self._done // PROGRESS_EVENTS:
            self._on_done(self._done)

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
            with target.transaction():
                tables.copy(target, projection, projection.next_schema, table, rows)
        except tables.UNWRITABLE:
            for row in rows:
                self._write_alone(target, projection, table, row)
            raise  # each could be written alone

    def _write_alone(self, target: Connection[TupleRow], projection: Projection, table: str, row: Row) -> None:
        """Names the stream of a row that the table cannot hold."""
        try:
            with target.transaction():
                tables.copy(target, projection, projection.next_schema, table, [row])
        except tables.UNWRITABLE as error:
            stream = row[projection.tables[table].index("stream")]
            raise RebuildRefused(projection.name, stream, error) from error


def _folded(source: Connection[TupleRow], share: Share) -> Generator[list[Row], None, None]:
    """By stream and version."""
    for part in share.streams:
        yield from _read(source, "replay", {"until": share.until, **asdict(part)})


def _unfolded(source: Connection[TupleRow], share: Share) -> Generator[list[Row], None, None]:
    if share.unfolded is not None:
        yield from _read(source, "replay_unfolded", asdict(share.unfolded))


def _read(source: Connection[TupleRow], name: str, bounds: dict[str, object]) -> Iterator[list[Row]]:
    """Everything that is asked for, many rows at a time: the next ones while those before them are worked on."""
    with source.cursor("replay") as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute(query(name, _SQL), bounds, binary=True)
        coming = thread.submit(cursor.fetchmany, READ_ROWS)
        while rows := coming.result():
            coming = thread.submit(cursor.fetchmany, READ_ROWS)
            yield rows


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Inside, Python looks for cycles seldom: facts and rows have none, and looking takes a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_OBJECTS, *before[1:])
    gc.freeze()  # what is there already is not looked at again
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

"""The library's way to keep read models: a live `ProjectionRunner`, given all that may make it faster.

- One runner, one `Projection` and one commit an event for all read models, where stock would have one of each for each.
- The same `rows` functions and payload decoding as ours; where the database makes our rows, the same `insert.sql` of
  the one event.
- A stream's history and rows are kept in memory: nothing is read before it is written, and no statement is sent for a
  row that is as it was.
- Upserts by primary key, prepared.
- The time runs from the first event to the last commit, without the start.

The tables have their indexes, because a live follower's do. What is left is what it cannot do without: a fold (a tenth
of its time), and some six round trips and a commit for each event. A test shows that its rows equal ours.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, Notification, StoredEvent, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection as LibraryProjection
from eventsourcing.projection import ProjectionRunner
from psycopg import Cursor, sql
from psycopg.rows import DictRow

from bickford_sora.composition.books import PROJECTIONS
from ledger.application import Ledger
from ledger.envelope import Context, Event
from ledger.mapper import FactMapper, encode
from ledger.sql import query
from projections import schemas
from projections.port import Projection, Row
from projections.story import Story
from tests.benchmarks.database import library_settings

SAMPLE_EVENTS = 2_000
SAVE_EVENTS = 50
"""Events in one save; a large one can hang in the library's pipelined insert."""
TIMEOUT_S = 300.0


def save_stock_sample(url: str, ledger: Ledger) -> int:
    """Saves the ledger's first events with the library's own recorder. Returns how many."""
    events = ledger.read(0, limit=SAMPLE_EVENTS)
    with StockApplication(env=_settings(url)) as application:
        for begin in range(0, len(events), SAVE_EVENTS):
            application.save(*events[begin : begin + SAVE_EVENTS])
    return len(events)


def stock_seconds(url: str, sample: int) -> float:
    """Projects the sample into empty tables with a `ProjectionRunner`. Returns the seconds from first to last event."""
    with psycopg.connect(url) as connection:
        connection.execute("drop table if exists stockprojection_tracking")
        for projection in PROJECTIONS:
            schemas.drop(connection, stock_schema(projection))
            schemas.create(connection, projection, stock_schema(projection))
            schemas.create_indexes(connection, projection, stock_schema(projection))
    with ProjectionRunner(
        application_class=StockApplication,
        projection_class=StockProjection,
        view_class=StockView,
        env=_settings(url),
    ) as runner:
        runner.wait(sample, timeout=TIMEOUT_S)
    view = runner.view
    view.datastore.close()  # the runner closes its application only
    return view.last_committed - view.first_began


def stock_schema(projection: Projection) -> str:
    """Where the library's way writes the tables of a projection."""
    return f"stock_{projection.name}"


class StockMapper(Mapper[str]):
    """Our facts in the library's table, which has no columns for their context: it goes into the state, as JSON."""

    def __init__(self) -> None:
        super().__init__(transcoder=JSONTranscoder())
        self._facts = FactMapper()

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        row = self._facts.to_stored_event(domain_event)
        assert isinstance(domain_event, Event)
        context = row.context
        state = {
            "context": [context.tenant, context.actor, context.occurred_at, context.correlation, context.causation],
            "trace": context.trace,
            "event_id": row.event_id,
            "recorded_at": domain_event.recorded_at,
            "payload": row.state.decode(),
        }
        return StoredEvent(row.originator_id, row.originator_version, row.topic, orjson.dumps(state))

    def to_domain_event(self, stored_event: StoredEvent) -> Event:
        assert isinstance(stored_event, Notification)
        state = orjson.loads(stored_event.state)
        tenant, actor, occurred_at, correlation, causation = state["context"]
        return Event(
            stream=str(stored_event.originator_id),
            version=stored_event.originator_version,
            event_id=UUID(state["event_id"]),
            context=Context(
                tenant,
                actor,
                datetime.fromisoformat(occurred_at),
                correlation and UUID(correlation),
                causation and UUID(causation),
                state["trace"],
            ),
            fact=self._facts.decode(stored_event.topic, state["payload"], place="the stock sample"),
            position=stored_event.id,
            recorded_at=datetime.fromisoformat(state["recorded_at"]),
        )


class StockApplication(Application[str]):
    """The library's application and PostgreSQL recorder as they are, but for the mapper."""

    def construct_mapper(self) -> Mapper[str]:
        return StockMapper()


class StockView(PostgresTrackingRecorder):
    """The tables of all read models, in the database of the library's tracking table."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        in_python = [projection for projection in PROJECTIONS if projection.rows is not None]
        self._tables = [_StockTable(projection, name) for projection in in_python for name in projection.tables]
        self._inserts = [_StockInsert(projection) for projection in PROJECTIONS if projection.rows is None]
        self._histories: dict[str, list[Event]] = defaultdict(list)
        self.first_began = 0.0
        self.last_committed = 0.0

    def apply(self, event: Event, tracking: Tracking) -> None:
        """One event: the rows it changes and its place, in one transaction."""
        self.first_began = self.first_began or time.monotonic()
        history = self._histories[event.stream]
        history.append(event)
        made = {table.projection.name: dict(_rows(table.projection, history)) for table in self._tables}
        with self.datastore.transaction(commit=True) as cursor:
            for table in self._tables:
                table.put(cursor, event.stream, made[table.projection.name].get(table.name))
            for insert in self._inserts:
                insert.put(cursor, event)
            self._insert_tracking(cursor, tracking)
        self.last_committed = time.monotonic()


def _rows(projection: Projection, history: list[Event]) -> Iterator[tuple[str, Row]]:
    stream = history[-1].stream
    if projection.rows is not None and projection.reads(stream):
        yield from projection.rows(Story(stream, history if projection.whole_stream else history[-1:]))


@dataclass
class _StockTable:
    """One table with at most one row a stream or, when it is only added to, one row an event."""

    projection: Projection
    name: str
    _before: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.projection.tables[self.name]
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        values = sql.SQL(", ").join(sql.Placeholder() * len(names))
        table = sql.Identifier(stock_schema(self.projection), self.name)
        insert = sql.SQL("insert into {} ({}) values ({})").format(table, columns, values)
        if self.projection.whole_stream:
            change = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names)
            insert += sql.SQL(" on conflict (stream) do update set {}").format(change)
        self._insert = insert.as_bytes()
        self._delete = sql.SQL("delete from {} where stream = %s").format(table).as_bytes()

    def put(self, cursor: Cursor[DictRow], stream: str, row: Row | None) -> None:
        """Writes what has changed since the stream's last event; None: there is no row."""
        before = self._before.pop(stream, None)
        if row is not None:
            self._before[stream] = row
        if row == before:
            return
        if row is None:
            cursor.execute(self._delete, (stream,), prepare=True)
        else:
            cursor.execute(self._insert, row, prepare=True)


class _StockInsert:
    """A read model that the database makes, of one event that is at hand."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        made = re.sub(
            r"insert into (\w+)", rf"insert into {stock_schema(projection)}.\1", query("insert", projection.package)
        )
        self._insert = f"{_ONE_TOLD} {made}".encode()

    def put(self, cursor: Cursor[DictRow], event: Event) -> None:
        """Adds the event's row, if it makes one."""
        if not self._projection.reads(event.stream):
            return
        context = event.context
        told = (
            event.position,
            event.stream,
            event.version,
            event.fact.TYPE,
            event.event_id,
            event.recorded_at,
            context.occurred_at,
            context.tenant,
            context.actor,
            context.correlation,
            context.causation,
            context.trace,
            encode(event.fact).decode(),
        )
        cursor.execute(self._insert, told, prepare=True)


_ONE_TOLD = """
with told as (
    select %s::bigint as position, %s::text as stream, %s::integer as version, %s::text as type, %s::uuid as event_id,
           %s::timestamptz as recorded_at, %s::timestamptz as occurred_at, %s::text as tenant, %s::text as actor,
           %s::uuid as correlation, %s::uuid as causation, %s::text as trace, %s::jsonb -> 'f' as fact
    offset 0
)
"""
"""As `projections/sql/stretch.sql`, of one event."""


class StockProjection(LibraryProjection[StockView]):
    """What the library calls for each event."""

    def process_event(self, domain_event: Event, tracking: Tracking) -> None:
        self.view.apply(domain_event, tracking)


def _settings(url: str) -> dict[str, str]:
    return {**library_settings(url), "ORIGINATOR_ID_TYPE": "text"}

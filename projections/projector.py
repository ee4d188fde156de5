"""Keeps projections up with the ledger.

    read a batch ─ decode it once ─► for each projection, one transaction:
        lock its position ─ write the rows ─ move the position

The position is written with the rows, so an event is applied once, whatever dies. Any number of processes may follow:
the lock orders them, and who comes second finds the position moved and does nothing.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.application import Ledger
from ledger.following import BACKOFF_S, POLL_S, Bell
from ledger.port import POSITION_MAX
from projections import positions, schemas
from projections.applying import apply
from projections.batch import Batch, History, read_batch, read_histories
from projections.connections import UNREACHABLE, reading
from projections.errors import error_code
from projections.port import Pool, Projection
from projections.positions import Lag, Parked, Stored

BATCH_EVENTS_MAX = 5_000
"""Most events in one transaction."""
PACE_S = 0.03
"""Least pause behind a batch that was not full, in seconds: what is appended meanwhile goes together.

It is as long as the batch took, where that took longer: whatever comes, half of the time is left to others.
"""
EVENTS_A_SECOND_LEFT = 1_000
"""So many events lengthen the pause by a second: a batch costs much whatever is in it, and the more that come, the
fewer batches they make."""
PACE_S_MAX = 0.25
"""Longest pause that events make, in seconds."""
PARKED_STREAMS_MAX = 1_000
"""Most parked streams that are tried again at one start."""
WAIT_STEP_S = 0.02
"""Longest time between two looks at a position that is waited for, in seconds."""
ENSURE_LOCK = 7305810
"""Key of the advisory lock under which missing schemas are made."""

log = structlog.get_logger(__name__)


class Projector:
    """Follows the ledger into the tables of `projections`. Safe to use from several threads and processes.

    The pool must give connections in autocommit mode.
    """

    def __init__(self, ledger: Ledger, pool: Pool, projections: Sequence[Projection]) -> None:
        self._ledger = ledger
        self._pool = pool
        self._projections = tuple(projections)
        self._moved = threading.Condition()

    def ensure(self) -> list[str]:
        """Makes what is missing. Returns the projections that must be rebuilt before they are current.

        That is a projection stored under another version, or one that is ahead of the ledger because a backup of the
        ledger was restored.
        """
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (ENSURE_LOCK,))
            positions.create(connection)
            stored = positions.read(connection)
            for projection in self._projections:
                if projection.name not in stored or not schemas.exists(connection, projection.schema):
                    _start_empty(connection, projection)
                    stored[projection.name] = Stored(projection.version, 0)
        head = self._ledger.head()
        return [each.name for each in self._projections if not _current(stored[each.name], each, head)]

    def catch_up(self, until: int | None = None) -> int:
        """Applies everything up to position `until` (None: all there is). Returns how far every projection came.

        Raises an error of `connections.UNREACHABLE` when the database does not answer; what was committed stays.
        """
        while self.step(until):
            pass
        return min(self._reached().values(), default=self._ledger.head())

    def step(self, until: int | None = None) -> int:
        """Applies at most one batch to each projection. Returns the number of events, 0 when there was nothing."""
        together: dict[int, list[Projection]] = defaultdict(list)
        reached = self._reached()
        for projection in self._projections:
            if projection.name in reached:
                together[reached[projection.name]].append(projection)
        # One far behind has its own batches, so that it does not hold up the others.
        return sum(self._advance(after, until, each) for after, each in sorted(together.items()))

    def run(self, stop: threading.Event, bell: Bell) -> None:
        """Follows until `stop` is set. A database that does not answer is waited for."""
        try:
            self._retry_parked_when_reachable(stop)
            while not stop.is_set():
                began = time.monotonic()
                events = self._step_when_reachable(stop)
                if not events:
                    bell.wait(POLL_S)
                elif events < BATCH_EVENTS_MAX:
                    busy_s = min(events / EVENTS_A_SECOND_LEFT, PACE_S_MAX)
                    stop.wait(max(PACE_S, busy_s, time.monotonic() - began))
        finally:
            bell.close()

    def retry_parked(self, stream: str | None = None) -> None:
        """Tries parked streams again, as after an upgrade that knows what an older version did not.

        All of them but the skipped ones, or one, skipped or not.
        """
        names = [each.name for each in self._projections]
        with self._pool.connection() as connection:
            if stream is not None:
                positions.skip(connection, names, stream, skipped=False)
            streams = [each for each in positions.parked_streams(connection, names) if stream in (None, each)]
            streams = streams[:PARKED_STREAMS_MAX]
        reached = self._reached()
        for projection in self._projections:
            if streams and projection.name in reached:
                until = reached[projection.name]
                with self._pool.connection() as connection:
                    histories = read_histories(connection, self._ledger, streams, until=until)
                self._apply(projection, Batch(until, until, histories))

    def parked(self) -> list[Parked]:
        """Streams that could not be read. Raises ledger.errors.Unavailable when the database does not answer."""
        with reading(self._pool) as connection:
            return positions.parked_all(connection)

    def skip(self, stream: str) -> int:
        """Leaves a parked stream's rows as they are, whatever comes. Returns how many projections parked it."""
        with reading(self._pool) as connection:
            return positions.skip(connection, [each.name for each in self._projections], stream, skipped=True)

    def lag(self) -> list[Lag]:
        """How far each projection is behind. Raises ledger.errors.Unavailable when the database does not answer."""
        names = {each.name for each in self._projections}
        with reading(self._pool) as connection:
            return [each for each in positions.lag(connection) if each.name in names]

    def wait_for(self, name: str, position: int, timeout_s: float) -> bool:
        """Whether the projection had everything up to `position` within `timeout_s`, whoever follows the ledger.

        Raises ledger.errors.Unavailable when the database does not answer.
        """
        gives_up_at = time.monotonic() + timeout_s
        while not self._has(name, position):
            left_s = gives_up_at - time.monotonic()
            if left_s <= 0:
                return False
            with self._moved:
                self._moved.wait(min(left_s, WAIT_STEP_S))
        return True

    def reached(self, name: str) -> int:
        """The position a projection has come to, 0 when it has none.

        Raises ledger.errors.Unavailable when the database does not answer.
        """
        with reading(self._pool) as connection:
            stored = positions.read(connection).get(name)
        return stored.position if stored is not None else 0

    def _has(self, name: str, position: int) -> bool:
        with reading(self._pool) as connection:
            stored = positions.read(connection).get(name)
        return stored is not None and stored.position >= position

    def _reached(self) -> dict[str, int]:
        """Positions of the projections whose tables are of our version."""
        with self._pool.connection() as connection:
            stored = positions.read(connection)
        return {
            each.name: stored[each.name].position
            for each in self._projections
            if each.name in stored and stored[each.name].version == each.version
        }

    def _step_when_reachable(self, stop: threading.Event) -> int:
        try:
            return self.step()
        except UNREACHABLE as error:
            log.warning("projections_unavailable", error=type(error).__name__)
            stop.wait(BACKOFF_S)
            return 0

    def _retry_parked_when_reachable(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.retry_parked()
            except UNREACHABLE as error:
                log.warning("projections_unavailable", error=type(error).__name__)
                stop.wait(BACKOFF_S)
            else:
                return

    def _advance(self, after: int, until: int | None, projections: Sequence[Projection]) -> int:
        if after >= (POSITION_MAX if until is None else until):
            return 0
        with self._pool.connection() as connection:
            parked = frozenset(positions.parked_streams(connection, [each.name for each in projections]))
            whole = wanted_whole(projections, parked)
            batch = read_batch(connection, self._ledger, after=after, until=until, limit=BATCH_EVENTS_MAX, whole=whole)
        if batch.until > after:
            concerned = [each for each in projections if batch.concerns(each)]
            passing = [each for each in projections if each not in concerned]
            if passing:
                self._pass_over(passing, batch)
            for projection in concerned:
                self._apply(projection, batch)
        return batch.until - after

    def _pass_over(self, projections: Sequence[Projection], batch: Batch) -> None:
        """Moves those that read nothing of a batch, all at once: as a rule, most of them."""
        with self._pool.connection() as connection:
            positions.pass_over(connection, projections, batch.after, batch.until)
        with self._moved:
            self._moved.notify_all()

    def _apply(self, projection: Projection, batch: Batch) -> None:
        """One batch into one projection, or nothing when somebody else was there first."""
        with self._pool.connection() as connection, connection.transaction():
            stored = positions.lock(connection, projection.name)
            # From here to the commit nobody else applies to, or swaps, this projection.
            if stored is None or stored.version != projection.version:
                return
            if not batch.after <= stored.position <= batch.until:
                return
            parked = positions.parked(connection, projection.name)
            skipped = positions.skipped(connection, projection.name) if parked else frozenset()
            complete = apply(
                connection,
                projection,
                projection.schema,
                batch.without(skipped),
                position=stored.position,
                parked=parked,
                on_bad=_parking(connection, projection),
                payloads=self._ledger.payloads,
            )
            if complete:
                positions.unpark(connection, projection.name, complete)
            if batch.until > stored.position:
                positions.move(connection, projection.name, batch.until)
            # A crash before this commit leaves rows and position as they were; one after it leaves both moved.
        with self._moved:
            self._moved.notify_all()


def wanted_whole(projections: Sequence[Projection], parked: Collection[str] = ()) -> Callable[[str], bool]:
    """Whether any projection needs a stream from its beginning."""
    readers = [each for each in projections if each.whole_stream]

    def whole(stream: str) -> bool:
        return stream in parked or any(each.reads(stream) for each in readers)

    return whole


def _start_empty(connection: Connection[TupleRow], projection: Projection) -> None:
    schemas.drop(connection, projection.schema)
    schemas.create(connection, projection, projection.schema)
    schemas.create_indexes(connection, projection, projection.schema)
    positions.put(connection, projection, 0)


def _current(stored: Stored, projection: Projection, head: int) -> bool:
    return stored.version == projection.version and stored.position <= head


def _parking(connection: Connection[TupleRow], projection: Projection) -> Callable[[History, int, Exception], None]:
    def park(history: History, done: int, error: Exception) -> None:
        code = error_code(error)
        positions.park(connection, projection.name, history.stream, done + 1, code)
        log.error("stream_parked", projection=projection.name, stream=history.stream, after=done, error_code=code)

    return park

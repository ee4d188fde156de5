"""Rebuilds projections beside the live ones, and swaps.

    lock ─ empty next schema ─ replay up to P in one pass ─ indexes ─ catch up ─ swap ─ drop the old schema

A crash before the swap leaves the live version as it was and a next schema that the following rebuild drops. A swap is
one transaction. A replay has no side effects: projections only make rows.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Event

import psycopg
import structlog
from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow

from ledger.application import Ledger
from ledger.port import POSITION_MAX
from projections import positions, schemas
from projections.applying import apply
from projections.batch import Batch, History, read_batch
from projections.beside import filled_beside
from projections.comparison import Difference, differences
from projections.errors import (
    OtherVersion,
    ProjectionError,
    RebuildRefused,
    RebuildRunning,
    SwapBlocked,
    UnknownProjection,
)
from projections.indexing import index
from projections.port import Pool, Projection
from projections.projector import wanted_whole
from projections.sharing import OnProgress, Work, replay

CATCH_UP_EVENTS_MAX = 1_000
"""Most events in one transaction behind the replay, and most that are applied inside the swap."""
CATCH_UP_ROUNDS_MAX = 10
"""Most transactions before a swap that are less than full."""
SWAP_LOCK_TIMEOUT_S = 0.5
SWAP_IDLE_S_MAX = 60
"""How long a swap may read cold files, in seconds: the follower waits for it, and would for ever if it stood still."""
SWAP_TRIES_MAX = 20
DROP_LOCK_TIMEOUT_S = 0.2
DROP_TRIES_MAX = 3
PAUSE_S = 0.1
"""Between two tries, in seconds."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One projection that was rebuilt and is live."""

    name: str
    version: int
    position: int


class _StillBehind(ProjectionError):  # noqa: N818 - a state, not a fault
    """The live version is further on than the one that is to take its place."""


def no_progress(_done: int, _total: int) -> None:
    """Says nothing."""


class Rebuild:
    """Rebuilds any of `projections`. Takes four connections of the pool while it runs.

    Where the ledger is large, a second process takes two more. The pool must give connections in autocommit mode.
    `Projector.ensure` must have run once.
    """

    def __init__(self, ledger: Ledger, pool: Pool, projections: Sequence[Projection]) -> None:
        self._ledger = ledger
        self._pool = pool
        self._projections: Mapping[str, Projection] = {each.name: each for each in projections}

    def rebuild(self, *names: str, on_progress: OnProgress = no_progress) -> list[Rebuilt]:
        """Rebuilds the named projections, or all, in one pass over the ledger; each goes live by itself at the end.

        `on_progress` is called with the events replayed and their total. Raises UnknownProjection, RebuildRunning,
        RebuildRefused (a bad event; the live version stays) or SwapBlocked, and psycopg.Error when the database fails.
        """
        projections = self._chosen(names)
        with self._pool.connection() as connection, _exclusive(connection, projections):
            try:
                position = self._fill(connection, projections, on_progress)
                rebuilt = [self._go_live(connection, each, position) for each in projections]
            except BaseException:
                _drop_next(connection, projections)
                raise
            _drop_old(connection, projections)
        return rebuilt

    def check(self, *names: str, on_progress: OnProgress = no_progress) -> list[Difference]:
        """Rebuilds the named projections, or all, beside the live ones, and tells where these differ. Swaps nothing.

        Raises as `rebuild` does, and OtherVersion where there is nothing to compare.
        """
        projections = self._chosen(names)
        with self._pool.connection() as connection, _exclusive(connection, projections):
            try:
                live = positions.read(connection)
                until = min(live[each.name].position for each in projections)
                position = self._fill(connection, projections, on_progress, until=until)
                return [found for each in projections for found in self._compare(connection, each, position)]
            finally:
                _drop_next(connection, projections)

    def _compare(self, connection: Connection[TupleRow], projection: Projection, position: int) -> list[Difference]:
        """Compares what one snapshot of the database shows of both; who follows the ledger meanwhile is not held up."""
        with connection.transaction(force_rollback=True):
            connection.execute("set transaction isolation level repeatable read")
            _take_time(connection)
            live = positions.read(connection)[projection.name]
            if live.version != projection.version:
                raise OtherVersion(f"{projection.name} is live in version {live.version}, not {projection.version}")
            while position < live.position:
                position = self._apply_next(connection, projection, position, until=live.position)
            return differences(connection, projection)

    def _chosen(self, names: Sequence[str]) -> list[Projection]:
        unknown = sorted(set(names) - self._projections.keys())
        if unknown:
            raise UnknownProjection(f"no projection is named {', '.join(unknown)}")
        return [each for name, each in self._projections.items() if not names or name in names]

    def _fill(
        self,
        connection: Connection[TupleRow],
        projections: Sequence[Projection],
        on_progress: OnProgress,
        until: int = POSITION_MAX,
    ) -> int:
        """Fills the next schemas by replay, up to `until` at most. Returns the position up to which they are filled."""
        for projection in projections:
            schemas.drop_old(connection, projection, lock_timeout_s=DROP_LOCK_TIMEOUT_S)
            with connection.transaction():
                schemas.drop(connection, projection.next_schema)
                schemas.create(connection, projection, projection.next_schema)
                schemas.leave_to_us(connection, projection, projection.next_schema)
        position = min(self._ledger.head(), until)
        beside = filled_beside(self._pool, projections, until=position, payloads=self._ledger.payloads)
        with beside, self._pool.connection() as source:
            work = Work(url=str(self._pool.conninfo), projections=projections, payloads=self._ledger.payloads)
            replay(work, source, connection, on_progress, until=position)
            for projection in projections:
                if projection.rows is not None:
                    index([connection, source], projection, Event())
        log.info("projections_replayed", projections=[each.name for each in projections], position=position)
        return position

    def _go_live(self, connection: Connection[TupleRow], projection: Projection, position: int) -> Rebuilt:
        """Brings the next schema up to the ledger's head and swaps it in."""
        for _ in range(SWAP_TRIES_MAX):
            position = self._catch_up(connection, projection, position)
            with suppress(LockNotAvailable, _StillBehind):
                swapped_at = self._swap(connection, projection, position)
                log.info("projection_swapped", projection=projection.name, position=swapped_at)
                return Rebuilt(projection.name, projection.version, swapped_at)
            time.sleep(PAUSE_S)
        raise SwapBlocked(f"{projection.name} was rebuilt up to {position} but could not be swapped in")

    def _catch_up(self, connection: Connection[TupleRow], projection: Projection, position: int) -> int:
        """Applies what is there in rounds: for the swap is left what came while the last and shortest one was applied.

        The follower waits for a swap, and what a round needs may be in cold files.
        """
        rounds = 0
        while (left := self._ledger.head() - position) > 0:
            rounds += left < CATCH_UP_EVENTS_MAX
            if rounds > CATCH_UP_ROUNDS_MAX:
                break
            with connection.transaction():
                _take_time(connection)
                position = self._apply_next(connection, projection, position)
        return position

    def _swap(self, connection: Connection[TupleRow], projection: Projection, position: int) -> int:
        """Returns the position the projection went live at. Raises _StillBehind, or LockNotAvailable: try again."""
        with connection.transaction():
            _take_time(connection, SWAP_IDLE_S_MAX)
            schemas.limit_lock_wait(connection, SWAP_LOCK_TIMEOUT_S)
            live = positions.lock(connection, projection.name)
            # The follower waits from here to the commit, so the live position cannot run away.
            position = self._apply_next(connection, projection, position)
            if live is not None and position < live.position <= self._ledger.head():
                # This rolls back what was just applied: the caller still counts from the position before.
                raise _StillBehind(projection.name)
            schemas.swap(connection, projection)
            positions.put(connection, projection, position)
        return position

    def _apply_next(
        self, connection: Connection[TupleRow], projection: Projection, position: int, until: int | None = None
    ) -> int:
        """One batch into the next schema, inside the caller's transaction. Returns the position reached."""
        batch = read_batch(
            connection,
            self._ledger,
            after=position,
            until=until,
            limit=CATCH_UP_EVENTS_MAX,
            whole=wanted_whole([projection]),
        )
        self._apply_strictly(connection, projection, batch)
        return batch.until

    def _apply_strictly(self, connection: Connection[TupleRow], projection: Projection, batch: Batch) -> None:
        def refuse(history: History, _done: int, error: Exception) -> None:
            raise RebuildRefused(projection.name, history.stream, error) from error

        apply(
            connection,
            projection,
            projection.next_schema,
            batch,
            position=batch.after,
            parked={},
            on_bad=refuse,
            payloads=self._ledger.payloads,
        )


@contextmanager
def _exclusive(connection: Connection[TupleRow], projections: Sequence[Projection]) -> Iterator[None]:
    """Holds each projection's rebuild lock. Raises RebuildRunning when another process does."""
    with ExitStack() as held:
        for projection in projections:
            key = f"rebuild {projection.schema}"
            row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
            if not row or not row[0]:
                raise RebuildRunning(f"{projection.name} is being rebuilt by another process")
            held.callback(_unlock, connection, key)
        yield


def _unlock(connection: Connection[TupleRow], key: str) -> None:
    if not connection.closed:  # the server released the lock with the session
        connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def _take_time(connection: Connection[TupleRow], idle_s: int = 0) -> None:
    """For this transaction: payloads of closed segments are read in it, which may take long; 0: no limit."""
    connection.execute("select set_config('idle_in_transaction_session_timeout', %s, true)", (f"{idle_s}s",))


def _drop_next(connection: Connection[TupleRow], projections: Sequence[Projection]) -> None:
    """Tidies up after a rebuild that failed; when even that fails, the next rebuild does it."""
    with suppress(psycopg.Error):
        for projection in projections:
            schemas.drop(connection, projection.next_schema)


def _drop_old(connection: Connection[TupleRow], projections: Sequence[Projection]) -> None:
    for projection in projections:
        for _ in range(DROP_TRIES_MAX):
            left = schemas.drop_old(connection, projection, lock_timeout_s=DROP_LOCK_TIMEOUT_S)
            if not left:
                break
            time.sleep(PAUSE_S)
        else:
            log.warning("old_schema_still_read", projection=projection.name, schemas=left)

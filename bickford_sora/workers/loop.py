"""Claiming due work and handing it to threads."""

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bickford_sora.workers.workshop import Task, Worker
from ledger.clock import Clock
from ledger.errors import LedgerError, Unavailable
from ledger.events import Step
from projections.leases import Leases, WorkItem

IDLE_S = 0.5
"""Longest pause between two looks for due work, in seconds. Work seen by this process's projector comes sooner."""
TROUBLE_S = 5.0
"""Pause of a task whose worker failed unexpectedly, and of the loop while the database does not answer, in seconds."""
CLEANING_S = 60.0
"""How often leases of finished work are removed, in seconds."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works, on what, and for how long at most."""

    leases: Leases
    workers: Mapping[Step, Worker]
    owner: str
    lease_s: float
    size: int
    """Tasks worked on at a time."""
    clock: Clock


class WorkLoop:
    """Runs a crew until it is stopped; then finishes what it has begun."""

    def __init__(self, crew: Crew, *, wake: threading.Event) -> None:
        self._crew = crew
        self._wake = wake
        self._busy: dict[Future[datetime], WorkItem] = {}
        self._cleaned_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Claims, works and releases until `stop` is set."""
        with ThreadPoolExecutor(self._crew.size, thread_name_prefix="worker") as pool:
            while not stop.is_set():
                try:
                    self._claim(pool)
                    self._release_done(IDLE_S)
                    self._clean()
                except Unavailable:
                    # Nothing is lost: what was claimed is claimed again when its lease runs out.
                    log.warning("work_waits_for_database")
                    stop.wait(IDLE_S)
            self._drain()

    def _claim(self, pool: ThreadPoolExecutor) -> None:
        free = self._crew.size - len(self._busy)
        if free <= 0:
            return
        self._wake.clear()
        crew = self._crew
        for item in crew.leases.claim(crew.owner, free, crew.lease_s, crew.clock(), steps=list(crew.workers)):
            self._busy[pool.submit(self._work, item)] = item

    def _work(self, item: WorkItem) -> datetime:
        with structlog.contextvars.bound_contextvars(video_id=item.video_id, step=item.step):
            try:
                return self._crew.workers[item.step](Task(item.stream, item.attempt - 1))
            except LedgerError as error:
                log.warning("task_postponed", code=error.code)
            except Exception:  # one task must not stop the others; its lease says when it is tried again
                log.exception("task_failed")
            return self._crew.clock() + timedelta(seconds=TROUBLE_S)

    def _release_done(self, timeout_s: float) -> None:
        """Releases what is finished; waits for something to finish or to become due."""
        if not self._busy:
            self._wake.wait(timeout_s)
            return
        pause = timeout_s / 10 if len(self._busy) < self._crew.size else timeout_s
        done, _ = wait(self._busy, timeout=0 if self._wake.is_set() else pause, return_when=FIRST_COMPLETED)
        for future in done:
            self._crew.leases.release(self._busy.pop(future), future.result())

    def _drain(self) -> None:
        for future, item in self._busy.items():
            try:
                self._crew.leases.release(item, future.result())
            except Unavailable:
                log.warning("work_left_to_its_lease", step=item.step)
        self._busy.clear()

    def _clean(self) -> None:
        now = self._crew.clock()
        if self._cleaned_at is None or now - self._cleaned_at > timedelta(seconds=CLEANING_S):
            self._crew.leases.forget_done(now)
            self._cleaned_at = now

"""Claiming due work and handing it to threads."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bickford_sora.clocks import CheckTime, unchecked
from bickford_sora.tracing import Tracing
from bickford_sora.workers.workshop import Task, Worker
from ledger.clock import Clock
from ledger.errors import LedgerError, Unavailable
from ledger.events import Step
from projections.leases import ANY_ROOM, Hands, Leases, Rooms, WorkItem, holders

IDLE_S = 0.25
"""Longest pause between two looks for due work, in seconds. Work seen by this process's projector comes sooner."""
PACE_S = 0.05
"""Least pause between two such looks, in seconds: tasks that end meanwhile go together."""
TROUBLE_S = 5.0
"""Pause of a task that found the database away, or whose worker failed unexpectedly for the first time, in seconds."""
TROUBLE_MAX_S = 300.0
"""Longest pause of a task that fails unexpectedly again and again; it doubles each time, in seconds."""
FAILING_TASKS_MAX = 10_000
"""How many failing tasks are remembered; after that, all are forgiven."""
CLEANING_S = 60.0
"""How often the agenda is swept, in seconds."""
TASK_S_MAX = 3600.0
"""How long a lease is renewed. A thread that takes longer counts as lost, and somebody else may take its task."""

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
    drain_s: float
    """Longest wait for begun tasks when it is told to stop, in seconds; what takes longer is left to its lease."""
    observe: Callable[[Step, str, float], None] = lambda _step, _outcome, _duration_s: None
    """Told of each task: its step, what came of it (done, postponed, failed), and how long it took."""
    tracing: Tracing = field(default_factory=Tracing)
    check_time: CheckTime = unchecked
    """Asked before anything is claimed or kept for longer."""
    rooms: Callable[[], Rooms] = lambda: ANY_ROOM
    """What the renderers take now."""
    callee_max: int | None = None
    """How many of these tasks call one callee at most; fewer when others hold many, see `projections.leases.Hands`.
    None: workers are not shared."""


@dataclass(slots=True)
class _Begun:
    """A task in a thread of its own. `due_at` counts once `done` is set."""

    item: WorkItem
    since: float
    renewed: float
    """Both in monotonic seconds."""
    until: datetime
    """When its first lease ends."""
    due_at: datetime | None = None
    done: threading.Event = field(default_factory=threading.Event)


class WorkLoop:
    """Runs a crew until it is stopped; then finishes what it has begun."""

    def __init__(self, crew: Crew, *, wake: threading.Event) -> None:
        self._crew = crew
        self._wake = wake
        self._begun: list[_Begun] = []
        self._failures: dict[tuple[str, Step], int] = {}
        self._cleaned: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Claims, works and releases until `stop` is set.

        A database that does not answer is waited for. Anything else that goes wrong here is raised; called again, it
        goes on with what was begun.
        """
        while not stop.is_set():
            self._wake.clear()  # before looking, so that nothing that comes after is missed
            try:
                self._release_done()
                self._crew.check_time()
                self._renew()
                self._claim()
                self._clean()
            except Unavailable:
                # Nothing is lost: what was claimed is claimed again when its lease runs out.
                log.warning("work_waits_for_database")
                stop.wait(IDLE_S)
            stop.wait(PACE_S)
            self._wake.wait(IDLE_S)
        self._drain()

    def _claim(self) -> None:
        free = self._crew.size - len(self._begun)
        if free <= 0:
            return
        crew = self._crew
        steps, asked_at = list(crew.workers), crew.clock()
        until = asked_at + timedelta(seconds=crew.lease_s)
        for item in crew.leases.claim(crew.owner, free, crew.lease_s, asked_at, steps, crew.rooms(), self._hands()):
            now = time.monotonic()
            begun = _Begun(item, since=now, renewed=now, until=until)
            # A daemon: a call that hangs must not keep a process alive that was told to stop.
            threading.Thread(target=self._work, args=(begun,), name=f"worker-{item.step}", daemon=True).start()
            self._begun.append(begun)

    def _hands(self) -> Hands | None:
        """How workers are shared now: counted are those of this process, of which each keeps some for others."""
        if self._crew.callee_max is None:
            return None
        held = Counter(name for each in self._begun for name in holders(each.item.callee))
        return Hands(callee_max=self._crew.callee_max, held=held)

    def _work(self, begun: _Begun) -> None:
        try:
            begun.due_at = self._attempt(begun.item, begun.until)
        finally:
            begun.done.set()
            self._wake.set()

    def _attempt(self, item: WorkItem, begins_until: datetime | None = None) -> datetime:
        began, outcome = time.monotonic(), "postponed"
        with (
            self._crew.tracing.span(item.step, stream=item.stream),
            structlog.contextvars.bound_contextvars(video_id=item.video_id, step=item.step),
        ):
            try:
                due_at = self._crew.workers[item.step](
                    Task(item.stream, item.attempt - 1, begins_until, item.webhook_at)
                )
            except Unavailable as error:
                log.warning("task_postponed", code=error.code)
                return self._after(TROUBLE_S)
            except LedgerError as error:
                log.warning("task_postponed", code=error.code)
            except Exception:  # one task must not stop the others
                outcome = "failed"
                log.exception("task_failed")
            else:
                outcome = "done"
                self._failures.pop((item.stream, item.step), None)
                return due_at
            finally:
                self._crew.observe(item.step, outcome, time.monotonic() - began)
            return self._after(self._pause_s(item))

    def _pause_s(self, item: WorkItem) -> float:
        """The pause of a task that failed unexpectedly: the longer, the oftener it did so in a row."""
        if len(self._failures) >= FAILING_TASKS_MAX:
            self._failures.clear()
        times = self._failures.get((item.stream, item.step), 0)
        self._failures[item.stream, item.step] = times + 1
        return min(TROUBLE_S * (1 << min(times, 16)), TROUBLE_MAX_S)

    def _after(self, seconds: float) -> datetime:
        return self._crew.clock() + timedelta(seconds=seconds)

    def _release_done(self) -> None:
        done = [each for each in self._begun if each.done.is_set()]
        if done:
            # Forgotten only after they were released: while the database is away it is tried again.
            self._crew.leases.release_all([(each.item, each.due_at or self._after(TROUBLE_S)) for each in done])
            self._begun = [each for each in self._begun if each not in done]

    def _renew(self) -> None:
        """Keeps the leases of what takes long, so that nobody begins the same download again."""
        now = time.monotonic()
        for begun in self._begun:
            if now - begun.renewed >= self._crew.lease_s / 3 and now - begun.since < TASK_S_MAX:
                self._crew.leases.renew(begun.item, self._crew.lease_s, self._crew.clock())
                begun.renewed = now

    def _drain(self) -> None:
        """Waits for what was begun, but not for ever: a kill loses nothing, so neither does giving up here."""
        gives_up_at = time.monotonic() + self._crew.drain_s
        while self._begun and time.monotonic() < gives_up_at:
            self._wake.clear()
            try:
                self._release_done()
                self._renew()
            except Unavailable:
                log.warning("work_waits_for_database")
                if all(each.done.is_set() for each in self._begun):
                    break
            if self._begun:
                self._wake.wait(IDLE_S)
        if self._begun:
            log.warning("work_left_to_its_lease", tasks=len(self._begun))

    def _clean(self) -> None:
        now = time.monotonic()
        if self._cleaned is None or now - self._cleaned > CLEANING_S:
            self._crew.leases.sweep(self._crew.clock())
            self._cleaned = now

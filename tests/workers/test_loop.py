"""The work loop: what it does while tasks hang, fail or find no database, and how it stops."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from bickford_sora.clocks import ClocksApart
from bickford_sora.workers import loop as loops
from bickford_sora.workers.loop import Crew, WorkLoop
from bickford_sora.workers.watch import Watch
from bickford_sora.workers.workshop import Task
from ledger.clock import system_clock
from ledger.errors import Unavailable
from projections.leases import Leases, WorkItem
from tests.workers.memory_leases import AT_ONCE, MemoryLeases

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def item(number: int) -> WorkItem:
    return WorkItem(f"render:main:{number}", "main", "default", f"video_{number}", "submit", None, None, NOON, 1, 1, "")


def crew(leases: MemoryLeases, worker: Callable[[Task], datetime], **change: object) -> Crew:
    made = Crew(cast("Leases", leases), {"submit": worker}, "w1", 60.0, 2, system_clock, drain_s=5.0)
    return replace(made, **change)  # type: ignore[arg-type]


@contextmanager
def running(made: Crew) -> Iterator[threading.Event]:
    wake, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=WorkLoop(made, wake=wake).run, args=(stop,))
    thread.start()
    try:
        yield wake
    finally:
        stop.set()
        wake.set()
        thread.join(60)
        assert not thread.is_alive()


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def later(_task: Task) -> datetime:
    return system_clock() + timedelta(hours=1)


def test_a_full_crew_is_waited_for_without_spinning() -> None:
    leases, go_on = MemoryLeases(item(1), item(2), item(3)), threading.Event()
    looks: list[float] = []

    def slow(task: Task) -> datetime:
        go_on.wait(60)
        return later(task)

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            looks.append(time.monotonic())
            return super().wait(timeout)

    stop, wake = threading.Event(), Watched()
    thread = threading.Thread(target=WorkLoop(crew(leases, slow), wake=wake).run, args=(stop,))
    thread.start()
    wait_for(lambda: leases.calls["claim"] == 1)
    wake.set()  # news that nobody has hands for
    time.sleep(0.6)
    assert len(looks) < 10
    go_on.set()
    wait_for(lambda: len(leases.released) == 3)
    stop.set()
    thread.join(60)


def test_by_a_clock_that_is_wrong_nothing_is_begun_and_a_stop_waits_for_what_was_begun() -> None:
    leases, is_wrong, go_on = MemoryLeases(item(1)), threading.Event(), threading.Event()
    begun: list[str] = []

    def slow(task: Task) -> datetime:
        begun.append(task.stream)
        go_on.wait(60)
        return later(task)

    def check_time() -> None:
        if is_wrong.is_set():
            raise ClocksApart(86_400)

    loop = WorkLoop(replace(crew(leases, slow), check_time=check_time), wake=threading.Event())
    stop, watch = threading.Event(), Watch()
    thread = threading.Thread(target=watch.keep, args=("worker", loop.run, stop))
    thread.start()
    wait_for(lambda: len(begun) == 1)
    is_wrong.set()
    wait_for(lambda: watch.problems() == ["the worker failed: ClocksApart"])
    claims = leases.calls["claim"]
    stop.set()
    assert leases.released == []
    go_on.set()
    thread.join(60)
    assert len(leases.released) == 1
    assert leases.calls["claim"] == claims


def followed(number: int, callee: str) -> WorkItem:
    return replace(item(number), step="follow", renderer=callee, callee=callee)


def test_a_renderer_that_hangs_leaves_workers_to_the_others_and_none_of_its_tasks_is_touched() -> None:
    hanging = [followed(number, "hanging") for number in range(200)]
    others = [followed(number, "other") for number in range(200, 240)]
    leases, go_on = MemoryLeases(*hanging, *others), threading.Event()
    begun: Counter[str] = Counter()

    def follow(task: Task) -> datetime:
        is_hanging = task.stream in {each.stream for each in hanging}
        begun["hanging" if is_hanging else "other"] += 1
        if is_hanging:
            go_on.wait(60)
        return later(task)

    with running(crew(leases, later, workers={"follow": follow}, size=8, callee_max=4)):
        wait_for(lambda: begun["other"] == len(others))
        wait_for(lambda: begun["hanging"] == 4)
        untouched = [each for each, due_at in leases.due.values() if each in hanging and due_at == AT_ONCE]
        assert len(untouched) == len(hanging) - 4, "neither put back nor counted as an attempt"
        go_on.set()


def test_endpoints_that_hang_leave_couriers_to_other_projects_and_other_tenants() -> None:
    places = ["main/films"] * 40 + ["main/games"] * 4 + ["acme/default"] * 4
    items = [replace(item(number), step="deliver", callee=place) for number, place in enumerate(places)]
    told = {each.stream: each.callee for each in items}
    go_on, begun = threading.Event(), Counter[str]()

    def deliver(task: Task) -> datetime:
        begun[told[task.stream]] += 1
        if told[task.stream] == "main/films":
            go_on.wait(60)
        return later(task)

    with running(crew(MemoryLeases(*items), later, workers={"deliver": deliver}, size=16, callee_max=4)):
        wait_for(lambda: begun == {"main/films": 4, "main/games": 4, "acme/default": 4})
        go_on.set()


def test_a_slow_renderer_that_is_alone_does_as_much_as_if_workers_were_not_shared() -> None:
    """Counted in tasks: all that were begun end together, when no more begin."""
    own = in_rounds(3, size=8)
    shared = in_rounds(3, size=16, callee_max=8)
    assert own == 24
    assert shared >= 0.9 * own


def in_rounds(rounds: int, **change: object) -> int:
    """How many tasks of one slow renderer a crew does in so many rounds."""
    leases, begun = MemoryLeases(*(followed(number, "slow") for number in range(200))), [threading.Event()]
    counted: list[int] = []

    def follow(task: Task) -> datetime:
        counted[-1] += 1
        begun[-1].wait(60)
        return later(task)

    counted.append(0)
    with running(crew(leases, later, workers={"follow": follow}, **change)) as wake:
        for _ in range(rounds):
            wait_for(lambda: counted[-1] > 0)
            settled(lambda: counted[-1], wake)
            ended = begun[-1]
            begun.append(threading.Event())
            counted.append(0)
            ended.set()
        done = sum(counted[:rounds])
        settled(lambda: counted[-1], wake)
        begun[-1].set()
        leases.due.clear()
    return done


def settled(count: Callable[[], int], wake: threading.Event) -> None:
    """Waits until the loop has looked several times and begun nothing more."""
    before = -1
    while count() != before:
        before = count()
        for _ in range(3):
            wake.set()
            time.sleep(2 * loops.PACE_S)


def test_a_long_task_keeps_its_lease_so_that_nobody_begins_it_again() -> None:
    leases, go_on = MemoryLeases(item(1)), threading.Event()
    begun: list[Task] = []

    def slow(task: Task) -> datetime:
        begun.append(task)
        go_on.wait(60)
        return later(task)

    with running(crew(leases, slow, lease_s=2.0)):
        wait_for(lambda: leases.calls["renew"] >= 4)
        assert len(begun) == 1
        go_on.set()
        wait_for(lambda: len(leases.released) == 1)


def test_a_task_that_takes_beyond_reason_loses_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "TASK_S_MAX", 0.3)
    leases, go_on = MemoryLeases(item(1)), threading.Event()
    begun: list[Task] = []

    def hang_once(task: Task) -> datetime:
        begun.append(task)
        if len(begun) == 1:
            go_on.wait(60)
        return later(task)

    with running(crew(leases, hang_once, lease_s=0.4)):
        wait_for(lambda: len(begun) == 2)
        go_on.set()


def test_a_database_that_goes_away_between_work_and_release_costs_nothing() -> None:
    leases = MemoryLeases(item(1))
    leases.release_errors = [Unavailable("away"), Unavailable("away")]
    with running(crew(leases, later)):
        wait_for(lambda: len(leases.released) == 1)
    assert leases.calls["release"] == 3
    assert leases.released[0][1] > system_clock() + timedelta(minutes=50)


def test_a_poisonous_task_is_tried_ever_more_seldom_and_starves_nobody() -> None:
    leases = MemoryLeases(item(1), item(2))
    clock_s = [0.0]
    done: Counter[str] = Counter()

    def poisonous(task: Task) -> datetime:
        done[task.stream] += 1
        if task.stream == item(1).stream:
            raise ValueError("poison")
        return NOON + timedelta(seconds=clock_s[0] + 1)

    loop = WorkLoop(crew(leases, poisonous, clock=lambda: NOON + timedelta(seconds=clock_s[0])), wake=threading.Event())
    pauses = []
    for _ in range(8):
        pauses.append((loop._attempt(item(1)) - NOON).total_seconds())
        loop._attempt(item(2))
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert done[item(2).stream] == 8


def test_a_task_that_raises_what_no_task_should_is_released_all_the_same() -> None:
    leases = MemoryLeases(item(1), item(2))

    def raises(task: Task) -> datetime:
        if task.stream == item(1).stream:
            raise ValueError("poison")
        return later(task)

    with running(crew(leases, raises)):
        wait_for(lambda: len(leases.released) == 2)


def test_stopping_finishes_what_was_begun() -> None:
    leases, begun = MemoryLeases(item(1)), threading.Event()

    def slow(task: Task) -> datetime:
        begun.set()
        time.sleep(0.5)
        return later(task)

    with running(crew(leases, slow)):
        assert begun.wait(60)
    assert len(leases.released) == 1


def test_stopping_does_not_wait_for_a_call_that_hangs() -> None:
    leases, begun, go_on = MemoryLeases(item(1)), threading.Event(), threading.Event()

    def hang(task: Task) -> datetime:
        begun.set()
        go_on.wait(30)
        return later(task)

    with running(crew(leases, hang, drain_s=0.3)):
        assert begun.wait(60)
        stopped_at = time.monotonic()
    assert time.monotonic() - stopped_at < 15  # it would hang for thirty seconds
    assert leases.released == []
    go_on.set()


def test_a_failure_of_the_loop_itself_is_raised_and_it_goes_on_with_what_was_begun() -> None:
    leases = MemoryLeases(item(1))
    leases.errors = [ValueError("a relation that is being swapped")]
    loop, stop = WorkLoop(crew(leases, later), wake=threading.Event()), threading.Event()
    with pytest.raises(ValueError, match="swapped"):
        loop.run(stop)
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    wait_for(lambda: len(leases.released) == 1)
    stop.set()
    thread.join(60)

"""Workers are shared among those they call: one contract for the leases of the database and those in memory."""  # noqa: INP001

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queues import COLUMNS
from render_histories import Author

from ledger.events import Step
from projections.leases import STALE_LOOKS_MAX, Hands, Leases, Room, Rooms, WorkItem, holders
from projections.port import Pool
from projections.projector import Projector
from tests.workers.memory_leases import MemoryLeases

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TASKS_MAX = 16
HANDS = Hands(callee_max=8)


class Town:
    """Work that is due, whoever hands it out. Each piece is due a moment behind the one before."""

    def __init__(self, leases: Leases | MemoryLeases, pool: Pool | None) -> None:
        self.leases, self.pool = leases, pool
        self.now = NOON
        self._number = 0
        if pool is not None:
            with pool.connection() as connection:
                connection.execute("truncate projection_work.items, work.agenda, work.turns, work.renderers")
                connection.execute("update work.taken_over set items = 0, nudges = 0")

    def work(self, renderer: str, items: int, step: Step = "follow", project: str = "main/default") -> None:
        for _ in range(items):
            self._number += 1
            self.now += timedelta(milliseconds=1)
            self._add(renderer, step, project, f"render:main:{self._number:032x}")

    def deliveries(self, project: str, items: int) -> None:
        self.work("", items, "deliver", project)

    def claim(self, free: int = TASKS_MAX, **held: int) -> list[WorkItem]:
        hands = Hands(
            callee_max=HANDS.callee_max, held={name.replace("__", "/"): tasks for name, tasks in held.items()}
        )
        steps: list[Step] = ["submit", "reconcile", "follow", "store", "purge", "expire", "deliver"]
        return self.leases.claim("w1", free, 60, self.now, steps, hands=hands)

    def callees(self, free: int = TASKS_MAX, **held: int) -> Counter[str]:
        return Counter(item.callee for item in self.claim(free, **held))

    def _add(self, renderer: str, step: Step, place: str, stream: str) -> None:
        tenant, _, project = place.partition("/")
        asks = step in {"submit", "reconcile", "follow", "store", "purge"}
        callee = place if step == "deliver" else renderer if asks else ""
        item = (stream, tenant, project, None, step, renderer or None, None, self.now, 1, 0, "", None, callee)
        if isinstance(self.leases, MemoryLeases):
            self.leases.add(WorkItem(*item), self.now)
            return
        assert self.pool is not None
        row = (stream, tenant, project, None, step, None, renderer or None, None, 1, self.now, 1, self._number)
        with self.pool.connection() as connection:
            places = ", ".join(["%s"] * len(row))
            connection.execute(
                f"insert into projection_work.items ({', '.join(COLUMNS)}) values ({places})",  # type: ignore[arg-type]  # noqa: S608 - of our own column names
                row,
            )


Found = Callable[[], Town]


@pytest.fixture
def in_database(pool: Pool, projector: Projector) -> Found:
    leases = Leases(pool)
    leases.ensure()
    return lambda: Town(leases, pool)


@pytest.fixture(params=["database", "memory"])
def town(request: pytest.FixtureRequest) -> Town:
    if request.param == "memory":
        return Town(MemoryLeases(), None)
    return cast("Found", request.getfixturevalue("in_database"))()


def test_who_is_alone_has_all_workers_of_one_callee_and_not_one_more(town: Town) -> None:
    town.work("slow", 40)
    assert town.callees() == {"slow": 8}
    assert town.callees(8, slow=8) == {}
    assert town.callees(9, slow=7) == {"slow": 1}, "a worker that comes free goes on at once"


def test_one_that_holds_all_it_may_hides_nobody_however_much_of_it_is_due(town: Town) -> None:
    town.work("hanging", 3 * STALE_LOOKS_MAX)
    town.work("other", 3)
    assert town.callees(8, hanging=8) == {"other": 3}


def test_what_is_not_claimed_stays_as_it_is(town: Town) -> None:
    town.work("hanging", 20)
    first = town.claim()
    assert town.claim(8, hanging=8) == []
    later = town.claim(16)
    assert {item.stream for item in first}.isdisjoint(item.stream for item in later)
    assert {item.attempt for item in (*first, *later)} == {1}
    assert [item.created_at for item in later] == sorted(item.created_at for item in later), "the longest due first"


def test_one_claim_of_several_leaves_each_its_part_and_some_to_whoever_comes(town: Town) -> None:
    for name in ("a", "b", "c"):
        town.work(name, 40)
    assert town.callees() == {"a": 4, "b": 4, "c": 4}


def test_renderers_that_begin_to_hang_one_after_the_other_leave_a_worker_to_the_next(town: Town) -> None:
    held: dict[str, int] = {}
    for name in ("a", "b", "c", "d"):
        town.work(name, 40)
        held |= town.callees(TASKS_MAX - sum(held.values()), **held)
    assert held == {"a": 8, "b": 4, "c": 2, "d": 1}
    town.work("e", 1)
    assert town.callees(1, **held) == {"e": 1}


def test_steps_of_one_renderer_share_its_workers_and_what_calls_nobody_needs_none(town: Town) -> None:
    for step in ("reconcile", "follow", "store", "purge"):
        town.work("hanging", 5, cast("Step", step))
    assert town.callees() == {"hanging": 8}
    town.work("hanging", 2, "expire")
    assert town.callees(8, hanging=8) == {"": 2}


def test_a_project_and_a_tenant_leave_couriers_to_the_others(town: Town) -> None:
    town.deliveries("acme/a", 40)
    town.deliveries("acme/b", 40)
    town.deliveries("acme/c", 40)
    acme = town.callees(32)
    assert sum(acme.values()) == 16, "a tenant has half of all"
    assert max(acme.values()) <= 8, "a project half of that"
    held = {**{name.replace("/", "__"): tasks for name, tasks in acme.items()}, "acme": 16}
    assert town.callees(16, **held) == {}
    town.deliveries("other/a", 1)
    assert town.callees(16, **held) == {"other/a": 1}


def test_workers_that_are_not_shared_take_the_longest_due_whosever_it_is(town: Town) -> None:
    town.work("a", 5)
    town.work("b", 5)
    assert Counter(item.callee for item in town.leases.claim("w1", 7, 60, town.now)) == {"a": 5, "b": 2}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    due=st.lists(st.sampled_from(["t1/a", "t1/b", "t2/a", "t3/a"]), max_size=30),
    begun=st.lists(st.sampled_from(["t1/a", "t1/b", "t2/a", "t3/a"]), max_size=12),
    free=st.integers(1, 20),
)
def test_both_leases_choose_the_same(in_database: Found, due: list[str], begun: list[str], free: int) -> None:
    held = Counter(name.replace("/", "__") for callee in begun for name in holders(callee))
    chosen = []
    for town in (in_database(), Town(MemoryLeases(), None)):
        for project in due:
            town.deliveries(project, 1)
        chosen.append([item.stream for item in town.claim(free, **held)])
    assert sorted(chosen[0]) == sorted(chosen[1])


def test_a_submission_is_counted_with_the_rest_and_costs_a_full_renderers_project_no_turn(in_database: Found) -> None:
    town = in_database()
    town.work("hanging", 20, "submit")
    town.work("hanging", 20, "follow")
    town.work("other", 1, "submit")
    assert town.callees() == {"hanging": 8, "other": 1}
    assert town.pool is not None
    with town.pool.connection() as connection:
        before = connection.execute("select * from work.turns where renderer = 'hanging'").fetchall()
        assert town.callees(8, hanging=8) == {}
        assert connection.execute("select * from work.turns where renderer = 'hanging'").fetchall() == before


def test_a_render_that_waited_too_long_is_failed_also_where_its_renderer_hangs(in_database: Found) -> None:
    town = in_database()
    town.work("hanging", 1, "submit")
    hands, late = Hands(callee_max=8, held={"hanging": 8}), Rooms(overdue=town.now)
    rooms = Rooms(rooms=[Room(renderer="hanging", in_flight_max=1)])
    assert town.leases.claim("w1", 8, 60, town.now, ["submit"], rooms, hands) == []
    assert len(town.leases.claim("w1", 8, 60, town.now, ["submit"], late, hands)) == 1


def test_a_render_that_goes_on_at_another_renderer_is_counted_there(in_database: Found) -> None:
    town = in_database()
    town.work("first", 1, "reconcile")
    (item,) = town.claim()
    assert isinstance(town.leases, Leases)
    assert town.pool is not None
    with town.pool.connection() as connection:
        connection.execute("update projection_work.items set renderer = 'second', position = 100, version = 3")
    assert town.claim() == []
    town.leases.release(item, town.now)
    assert town.callees(8, first=8) == {"second": 1}


def test_rows_of_a_worker_of_the_version_before_get_their_callees_by_the_sweep(in_database: Found) -> None:
    town = in_database()
    town.work("hanging", 12)
    assert isinstance(town.leases, Leases)
    assert town.pool is not None
    for item in town.claim():
        town.leases.release(item, town.now)
    with town.pool.connection() as connection:
        connection.execute("update work.agenda set callee = ''")
    town.leases.sweep(town.now)
    assert town.callees(8, hanging=8) == {}


def test_a_webhook_for_a_job_of_a_full_renderer_is_heeded_when_a_worker_is_free(
    author: Author, projector: Projector, pool: Pool
) -> None:
    leases = Leases(pool)
    leases.ensure()
    author.queued_render("job-a")
    author.flush()
    projector.catch_up()
    (item,) = leases.claim("w1", 10, 60, author.now)
    leases.release(item, author.now + timedelta(seconds=30))
    author.webhook("job-a")
    author.flush()
    projector.catch_up()
    full = Hands(callee_max=8, held={"openai": 8})
    for _ in range(3):
        assert leases.claim("w1", 8, 60, author.now, hands=full) == []
    (again,) = leases.claim("w1", 8, 60, author.now, hands=HANDS)
    assert again.attempt == 2

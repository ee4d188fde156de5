"""The queue before the renderers: everybody's turn comes, and no renderer gets more than it takes."""  # noqa: INP001

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queues import Street
from render_histories import Author

from ledger import events as e
from projections.errors import OtherVersion
from projections.leases import Leases, Room, Rooms, WorkItem
from projections.port import Pool
from projections.projector import Projector
from projections.queue import Queue
from tests.trying import tries


@pytest.fixture
def leases(pool: Pool, projector: Projector) -> Leases:
    leases = Leases(pool)
    leases.ensure()
    return leases


@pytest.fixture
def street(pool: Pool, leases: Leases) -> Street:
    return Street(pool, leases)


def test_one_render_behind_a_thousand_of_another_project_starts_within_the_next_round(street: Street) -> None:
    street.ask("studio", 1_000)
    assert street.start() == ["studio"] * 4
    street.ask("newcomer")
    assert street.start() == [], "no place is free"
    street.end(2)
    assert "newcomer" in street.start()


def test_a_place_that_becomes_free_goes_round(street: Street) -> None:
    street.in_flight_max = 1
    for project in ("a", "b", "c"):
        street.ask(project, 50)
    turns = []
    for _ in range(9):
        turns += street.start()
        street.end()
    assert Counter(turns) == {"a": 3, "b": 3, "c": 3}
    assert all(len(set(turns[first : first + 3])) == 3 for first in (0, 3, 6)), turns


def test_a_project_of_twice_the_weight_has_two_turns_in_a_round(pool: Pool, leases: Leases) -> None:
    street = Street(pool, leases, in_flight_max=1, studio=2)
    street.ask("studio", 50)
    street.ask("lab", 50)
    for _ in range(12):
        street.start()
        street.end()
    assert street.started == {"studio": 8, "lab": 4}


def test_a_weight_is_of_one_tenants_project_and_of_none_of_its_name_elsewhere(street: Street, pool: Pool) -> None:
    street.weights = {"main/studio": 3}
    street.in_flight_max = 1
    street.ask("studio", 40)
    street.ask("studio", 40, tenant="acme")
    [first, *_] = Queue(pool).waiting("acme", None, None, street.weights, 1)
    turns = Counter[str]()
    for _ in range(8):
        street.start()
        turns.update(item.tenant for item in street.jobs)
        street.end()
    assert turns == {"main": 6, "acme": 2}
    assert (first.place, turns.total()) == (2, 8), "places are told by the same weights"


def test_who_was_idle_has_saved_nothing_up(street: Street) -> None:
    street.in_flight_max = 1
    street.ask("studio", 50)
    for _ in range(20):
        street.start()
        street.end()
    street.ask("idler", 50)
    street.started.clear()
    for _ in range(10):
        street.start()
        street.end()
    assert street.started == {"studio": 5, "idler": 5}


def test_a_projects_own_renders_go_by_rank_and_then_by_age(street: Street) -> None:
    for rank in (4, 2, 1, 0, 1):
        street.ask("studio", rank=rank)
    street.in_flight_max = 10
    ranks = [int(item.video_id[-1], 16) for item in street.claim() if item.video_id]
    assert ranks == [4, 3, 5, 2, 1], "ids are in the order they were asked for"


def test_a_closed_renderer_is_not_asked_and_the_others_are(street: Street) -> None:
    street.closed = "renderer_stopped"
    street.ask("studio", 3)
    street.ask("studio", 2, gpu="other")
    assert {item.renderer for item in street.claim()} == {"other"}
    street.closed = None
    assert {item.renderer for item in street.claim()} == {"gpu"}


def test_renders_of_a_stopped_model_are_looked_at_once_and_then_let_the_others_go(street: Street) -> None:
    stopped = 20
    street.ask("studio", stopped)
    street.ask("studio", rank=2)
    started: list[WorkItem] = []
    for _ in range(stopped // (street.in_flight_max or 1) + 1):
        for item in street.claim():
            if item.video_id == f"video_{stopped + 1:032x}":
                started.append(item)
            else:  # what a worker says of one whose model is stopped
                street.leases.release(item, street.now + timedelta(seconds=30))
    assert len(started) == 1
    assert street.claim() == [], "those that were put off are not looked at again before their time"


def test_who_waited_too_long_is_looked_at_without_a_place(street: Street) -> None:
    street.in_flight_max = 1
    street.ask("studio", 3)
    assert street.start() == ["studio"]
    late = Rooms(rooms=street.rooms().rooms, overdue=street.now - timedelta(milliseconds=1))
    assert len(street.leases.claim("w1", 8, 60, street.now, ["submit"], late)) == 2


def test_what_goes_on_after_a_long_doubt_waits_for_its_place_like_everybody(
    author: Author, projector: Projector, leases: Leases
) -> None:
    stream = author.intent()
    author.allow(stream)
    author.start_submission(stream)
    author.write(stream, e.RenderSubmissionUnknown(attempt=1, code="timeout"))
    author.now += timedelta(hours=7)
    author.write(stream, e.RenderSubmissionAbsent(attempt=1, jobs_searched=0))
    author.flush()
    projector.catch_up()
    full = Rooms(rooms=[Room(renderer="openai", in_flight_max=0)], overdue=author.now - timedelta(hours=6))
    assert leases.claim("w1", 10, 60, author.now + timedelta(minutes=1), ["submit"], full) == []


def test_a_worker_that_dies_gives_its_place_back_when_its_lease_ends(street: Street) -> None:
    street.in_flight_max = 1
    street.ask("studio", 2)
    assert len(street.claim()) == 1
    assert street.claim(owner="w2") == []
    street.now += timedelta(seconds=61)
    assert len(street.claim(owner="w2")) == 1


def test_what_was_begun_keeps_its_place_until_the_read_model_has_seen_it(
    author: Author, projector: Projector, leases: Leases
) -> None:
    first, second = author.intent(), author.intent()
    author.allow(first)
    author.allow(second)
    author.flush()
    projector.catch_up()
    rooms = Rooms(rooms=[Room(renderer="openai", in_flight_max=1)])

    def claim() -> list[str]:
        return [item.stream for item in items()]

    def items() -> list[object]:
        return leases.claim("w1", 10, 60, author.clock(), rooms=rooms)  # type: ignore[return-value]

    (item,) = leases.claim("w1", 10, 60, author.clock(), rooms=rooms)
    author.start_submission(item.stream)
    author.flush()
    leases.release(item, author.now)
    assert claim() == [], "the projector is behind: neither this one again, nor the next"
    projector.catch_up()
    assert claim() == []
    author.write(
        item.stream, e.RenderSubmissionRefused(attempt=1, code="busy", retry_at=author.now + timedelta(days=1))
    )
    author.flush()
    projector.catch_up()
    assert claim() == [second], "refused: its place is free, and it waits for its time"


def test_the_places_that_are_told_are_the_order_in_which_they_start(street: Street, pool: Pool) -> None:
    street.ask("studio", 6)
    street.ask("lab", 2, rank=4)
    street.ask("lab", 1)
    street.in_flight_max = 2
    street.start()
    queue = Queue(pool)
    (counter,) = queue.counters()
    assert (counter.in_flight, counter.in_flight_max, counter.waiting, counter.projects) == (2, 2, 7, 2)
    assert counter.is_full
    told = [each.video_id for each in queue.waiting("main", None, None, {}, 100)]
    begun = []
    while street.jobs:
        before = len(street.jobs)
        street.end()
        street.start()
        begun += [item.video_id for item in street.jobs[before - 1 :]]
    assert told == begun
    assert queue.counters() == []


def test_a_place_is_told_to_its_project_alone(street: Street, pool: Pool) -> None:
    street.ask("studio", 3)
    street.ask("lab")
    queue = Queue(pool)
    (own,) = queue.waiting("main", "lab", None, {}, 100)
    assert own.place == 2
    assert queue.waiting("main", "studio", own.video_id, {}, 100) == []
    assert queue.waiting("other", None, None, {}, 100) == []
    with pytest.raises(ValueError, match="limit"):
        queue.waiting("main", None, None, {}, 0)


def test_several_processes_never_pass_the_limit(
    author: Author, projector: Projector, leases: Leases, pool: Pool
) -> None:
    """Each claim, submission and end as it would be in processes of their own; the projector comes late."""
    streams = [author.intent(project=f"p{number % 3}") for number in range(30)]
    for stream in streams:
        author.allow(stream)
    author.flush()
    projector.catch_up()
    rooms = Rooms(rooms=[Room(renderer="openai", in_flight_max=3)])
    lock, over = threading.Lock(), threading.Event()
    at_renderer: list[int] = []
    jobs: set[str] = set()
    done: list[str] = []
    now = author.clock() + timedelta(hours=1)

    def work(owner: str) -> None:
        own = Leases(pool)
        while not over.is_set():
            for item in own.claim(owner, 2, 60, now, rooms=rooms):
                if item.step == "submit":
                    with lock:
                        jobs.add(item.stream)
                        at_renderer.append(len(jobs))
                        author.start_submission(item.stream)
                        author.queue(item.stream)
                        author.flush()
                else:
                    with lock:
                        jobs.remove(item.stream)
                        done.append(item.stream)
                        author.write(item.stream, e.RenderFailed(code="x", failed_by="renderer"))
                        author.flush()
                own.release(item, now + timedelta(days=1))

    def follow() -> None:
        while len(done) < len(streams):
            time.sleep(0.03)
            projector.catch_up()
        over.set()

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(3)]
    threads.append(threading.Thread(target=follow))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == len(streams)
    assert max(at_renderer) == 3


def test_no_more_submissions_begin_in_a_minute_than_may_whatever_the_number_of_processes(
    street: Street, pool: Pool
) -> None:
    street.in_flight_max, street.submissions_per_minute_max = None, 3
    street.ask("studio", 10)

    def begun(limit: int, owner: str) -> int:
        return len(street.start(limit, owner, gives_back=False))

    assert begun(2, "w1") == 2
    street.now += timedelta(seconds=30)
    assert [begun(8, "w2"), begun(8, "w3")] == [1, 0]
    waits = next(each for each in Queue(pool).counters() if each.waiting)
    assert waits.closed == "rate_limited"
    street.now += timedelta(seconds=29.9)
    assert begun(8, "w1") == 0
    street.now += timedelta(seconds=0.2)
    assert begun(8, "w3") == 2, "a minute after the first two"
    street.submissions_per_minute_max = None
    assert begun(8, "w1") == 5


def test_a_submission_that_was_claimed_and_not_sent_is_not_counted(street: Street, leases: Leases) -> None:
    street.in_flight_max, street.submissions_per_minute_max = None, 1
    street.ask("studio", 2)
    (item,) = street.claim()
    leases.release(item, street.now + timedelta(days=1))
    assert street.start(gives_back=False) == ["studio"], "the other one"
    street.ask("studio")
    assert street.start() == []


def test_who_waited_too_long_is_not_counted_among_the_minutes_submissions(street: Street) -> None:
    street.in_flight_max, street.submissions_per_minute_max = 0, 1
    street.ask("studio", 3)
    late = Rooms(rooms=street.rooms().rooms, overdue=street.now)
    assert len(street.leases.claim("w1", 8, 60, street.now, ["submit"], late)) == 3
    street.in_flight_max = None
    street.ask("lab")
    assert street.start() == ["lab"]


EXAMPLES = 15
ROUNDS_MAX = 200
PROJECTS = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), PROJECTS, st.integers(1, 6)),
        st.tuples(st.just("start"), st.sampled_from(["w1", "w2"]), st.integers(1, 6)),
        st.tuples(st.just("end"), st.just(""), st.integers(1, 6)),
    ),
    min_size=5,
    max_size=20,
)


class Passers:
    """How often each project was passed by each other one while it waited."""

    def __init__(self, weights: dict[str, int]) -> None:
        self._weights = weights
        self._waiting: Counter[str] = Counter()
        self._passed: dict[str, Counter[str]] = {}

    def ask(self, project: str, renders: int) -> None:
        self._waiting[project] += renders
        self._passed.setdefault(project, Counter())

    def start(self, project: str) -> None:
        for waiting, others in self._passed.items():
            others[project] += project != waiting
            assert others[project] <= 1 + self._weight(project) / self._weight(waiting), (waiting, others)
        self._waiting[project] -= 1
        self._passed[project] = Counter()
        if not self._waiting[project]:
            del self._passed[project]

    @property
    def is_waiting(self) -> bool:
        return bool(self._passed)

    def _weight(self, project: str) -> int:
        return self._weights.get(project, 1)


@given(steps=STEPS, weights=st.dictionaries(PROJECTS, st.integers(1, 4)), in_flight_max=st.integers(1, 5))
@settings(
    max_examples=tries(EXAMPLES),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_nobody_starves_whatever_arrives(
    pool: Pool, leases: Leases, steps: list[tuple[str, str, int]], weights: dict[str, int], in_flight_max: int
) -> None:
    """While a project waits, another one has at most one turn, and one for each weight it has more, before it."""
    street, passers = Street(pool, leases, in_flight_max=in_flight_max, **weights), Passers(weights)

    def take(what: str, who: str, number: int) -> None:
        if what == "ask":
            street.ask(who, number)
            passers.ask(who, number)
        elif what == "end":
            street.end(number)
        else:
            for project in street.start(number, who):
                passers.start(project)
            assert len(street.jobs) <= in_flight_max

    for step in steps:
        take(*step)
    for _ in range(ROUNDS_MAX):
        if not passers.is_waiting:
            break
        take("end", "", 5)
        take("start", "w1", 5)
    assert not passers.is_waiting


def test_a_queue_of_a_version_without_ranks_is_told_as_that(pool: Pool, leases: Leases) -> None:
    with pool.connection() as connection:
        connection.execute("alter table projection_work.items drop column rank cascade")
    with pytest.raises(OtherVersion):
        Queue(pool).waiting("acme", None, None, {}, 10)

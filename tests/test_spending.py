"""One decider per process on a tenant's spend: caps are exact, each caller gets its own answer, nobody is forgotten."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest

from bickford_sora.database.migrations import migrate
from bickford_sora.decisions import budgets
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.spending import ALONE_MAX, ATTEMPTS_MAX, Spending
from ledger import spend as spends
from ledger import streams
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.envelope import Appended, Context, Decision
from ledger.errors import Conflict, Unavailable
from ledger.events import BudgetSet, RenderAllowed, SpendReserved, Verdict
from ledger.identifiers import new_uuid7
from ledger.mapper import RecordedRow, Row
from ledger.memory import MemoryRecorder
from ledger.spend import Spend
from tests.benchmarks import spend as spend_benchmark
from tests.benchmarks.database import temporary_database
from tests.decisions.given import INTENT
from tests.ledger.spending import books_of, usd

COST_MICRO = 400_000
STREAM = streams.spend("main")
ALLOWED = RenderAllowed(verdict=Verdict(policy_hash="a" * 64), renderer="simulator", credential="sim")


@dataclass
class Town:
    """A ledger and as many deciders on it as there would be processes."""

    ledger: Ledger
    deciders: list[Spending] = field(default_factory=list)

    def decider(self) -> Spending:
        made = Spending(self.ledger, "main", new_id=new_uuid7)
        self.deciders.append(made)
        return made

    def cap(self, renders: int) -> None:
        fact = BudgetSet(budget_id="all", scope="tenant", window="total", cap=usd(renders * COST_MICRO))
        head = len(self.ledger.history(STREAM))
        self.ledger.append(Decision.of([(STREAM, fact)], heads={STREAM: head}, context=context(), new_id=new_uuid7))

    def spent_micro(self) -> int:
        books = books_of(event.fact for event in self.ledger.history(STREAM))
        return sum(books.reserved.values())


def context() -> Context:
    return Context("main", "key_1", system_clock(), correlation=new_uuid7())


def take_for(video_id: str, told: list[bool], *, heads: dict[str, int] | None = None) -> Callable[[Spend], Draft]:
    """Accepts a render where the caps allow it, and notes at each time it is asked whether they did."""
    render = streams.render("main", video_id)

    def take(spend: Spend) -> Draft:
        wanted = SpendReserved(video_id=video_id, cost=usd(COST_MICRO), day="2026-11-20", minute="2026-11-20T12:00")
        told.append(budgets.short_of(spend, wanted) is None)
        if not told[-1]:
            return NOTHING
        facts = [(render, INTENT), (render, ALLOWED), *((STREAM, each) for each in budgets.reserved(spend, wanted))]
        return Draft(tuple(facts), {render: 0, **(heads or {})})

    return take


def ask(spending: Spending, **more: dict[str, int]) -> bool:
    """Whether one more render was accepted."""
    told: list[bool] = []
    appended = spending.append(take_for(streams.video_id(new_uuid7()), told, **more), context())
    assert bool(appended) is told[-1]
    return told[-1]


def test_two_hundred_at_once_against_a_cap_for_k_are_k_also_from_several_deciders() -> None:
    town = Town(Ledger(MemoryRecorder()))
    town.cap(37)
    deciders = [town.decider() for _ in range(4)]
    with ThreadPoolExecutor(40) as pool:
        accepted = [*pool.map(lambda number: ask(deciders[number % 4]), range(200))]
    assert sum(accepted) == 37
    assert town.spent_micro() == 37 * COST_MICRO


def test_a_cap_lowered_or_raised_elsewhere_holds_for_the_next_decision() -> None:
    town = Town(Ledger(MemoryRecorder()))
    spending = town.decider()
    town.cap(1)
    assert [ask(spending), ask(spending)] == [True, False]
    town.cap(2)
    assert [ask(spending), ask(spending)] == [True, False]
    town.cap(1)
    assert ask(spending) is False


def test_whatever_races_no_reservation_passes_the_cap_that_was_in_force_at_its_place() -> None:
    town = Town(Ledger(MemoryRecorder()))
    town.cap(150)
    deciders = [town.decider() for _ in range(4)]

    def change(renders: int) -> None:
        cap = BudgetSet(budget_id="all", scope="tenant", window="total", cap=usd(renders * COST_MICRO))
        deciders[renders % 4].append(lambda spend: Draft(((spend.stream, cap),)), context())

    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(ask, deciders[number % 4]) for number in range(200)]
        changed = [pool.submit(change, renders) for renders in (60, 20, 90, 30, 110)]
        accepted = sum(each.result(60) for each in asked)
        for each in changed:
            each.result(60)
    state = Spend(STREAM)
    for event in town.ledger.history(STREAM):
        spends.evolve(state, event.version, event.fact)
        if isinstance(event.fact, SpendReserved):
            assert state.used["tenant", "total", "USD"] <= state.budgets["all"].cap, event.version
    assert town.spent_micro() == accepted * COST_MICRO


class Gated(MemoryRecorder):
    """A recorder whose next appends wait, fail, or are overtaken."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.appends: list[int] = []
        self.asked: list[str] = []
        """What was asked of it beside appends."""
        self.before: list[Callable[[], None]] = []
        self.no_turns = False

    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        self.appends.append(len(rows))
        self.begun.set()
        assert self.may_go_on.wait(20)
        if self.before:
            self.before.pop(0)()
        return super().append(rows, heads)

    def turn(self, name: str) -> AbstractContextManager[None]:
        self.asked.append("turn")
        if self.no_turns:
            raise LookupError(name)
        return super().turn(name)

    def select_events(self, originator_id: UUID | str, **bounds: Any) -> Sequence[RecordedRow]:
        self.asked.append("read")
        return super().select_events(originator_id, **bounds)


def together(spending: Spending, recorder: Gated, asked: list[Callable[[], object]]) -> list[object]:
    """What each is answered when all but the first wait together, behind the append of the first."""
    answers: list[object] = [None] * len(asked)

    def run(number: int) -> None:
        try:
            answers[number] = asked[number]()
        except Exception as error:  # noqa: BLE001 - the answer
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(asked))]
    recorder.may_go_on.clear()
    threads[0].start()
    assert recorder.begun.wait(20)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: spending.waiting == len(asked) - 1)
    recorder.may_go_on.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "somebody was forgotten"
    return answers


def wait_until(is_true: Callable[[], bool]) -> None:
    for _ in range(4_000):
        if is_true():
            return
        time.sleep(0.005)
    raise AssertionError("it did not happen")


@pytest.fixture
def recorder() -> Gated:
    return Gated()


@pytest.fixture
def town(recorder: Gated) -> Town:
    town = Town(Ledger(recorder))
    town.cap(100)
    recorder.appends.clear()
    recorder.begun.clear()
    return town


def test_those_who_wait_are_decided_together_in_one_append(town: Town, recorder: Gated) -> None:
    spending = town.decider()
    assert together(spending, recorder, [lambda: ask(spending)] * 21) == [True] * 21
    assert recorder.appends == [3, 60]


def test_a_decision_that_fails_is_its_askers_alone(town: Town, recorder: Gated) -> None:
    spending = town.decider()

    def broken() -> object:
        def take(spend: Spend) -> Draft:
            raise LookupError(spend.stream)

        return spending.append(take, context())

    answers = together(spending, recorder, [lambda: ask(spending), broken, lambda: ask(spending)])
    assert [answers[0], type(answers[1]), answers[2]] == [True, LookupError, True]


def test_another_streams_conflict_is_its_askers_alone(town: Town, recorder: Gated) -> None:
    spending = town.decider()
    taken = streams.idempotency("main", "default", "taken")
    moved = {taken: 7}
    answers = together(
        spending, recorder, [lambda: ask(spending), lambda: ask(spending, heads=moved), lambda: ask(spending)]
    )
    assert [answers[0], type(answers[1]), answers[2]] == [True, Conflict, True]
    assert town.spent_micro() == 2 * COST_MICRO


def test_two_who_rely_on_different_heads_of_one_stream_are_not_decided_as_one(town: Town, recorder: Gated) -> None:
    spending = town.decider()
    key = streams.key("main", "key_1")
    revoked, current = {key: 1}, {key: 0}
    answers = together(
        spending,
        recorder,
        [lambda: ask(spending), lambda: ask(spending, heads=revoked), lambda: ask(spending, heads=current)],
    )
    assert [answers[0], type(answers[1]), answers[2]] == [True, Conflict, True]


def test_two_who_want_the_same_stream_are_decided_one_after_the_other(town: Town, recorder: Gated) -> None:
    spending = town.decider()
    video_id = streams.video_id(new_uuid7())

    def same() -> object:
        return spending.append(take_for(video_id, []), context()) is not None

    answers = together(spending, recorder, [lambda: ask(spending), same, same])
    assert sorted(map(str, (type(each).__name__ for each in answers))) == ["Conflict", "bool", "bool"]
    assert town.spent_micro() == 2 * COST_MICRO


def test_when_the_database_is_away_all_learn_it_and_the_next_one_is_decided(town: Town, recorder: Gated) -> None:
    spending = town.decider()

    def away() -> None:
        raise Unavailable("away")

    recorder.before = [lambda: None, away]
    answers = together(spending, recorder, [lambda: ask(spending)] * 4)
    assert [answers[0], *map(type, answers[1:])] == [True, Unavailable, Unavailable, Unavailable]
    assert ask(spending) is True
    assert town.spent_micro() == 2 * COST_MICRO


def test_whoever_was_overtaken_decides_again_on_what_is_left(town: Town, recorder: Gated) -> None:
    spending, other = town.decider(), town.decider()
    town.cap(1)
    recorder.before = [lambda: overtake(recorder, other)]
    assert ask(spending) is False, "the other one took the last"
    assert town.spent_micro() == COST_MICRO


def test_whoever_is_overtaken_for_ever_is_told_so_and_nothing_is_left_behind(town: Town, recorder: Gated) -> None:
    spending, other = town.decider(), town.decider()
    recorder.before = [lambda: overtake(recorder, other)] * ATTEMPTS_MAX
    with pytest.raises(Conflict):
        ask(spending)
    assert town.spent_micro() == ATTEMPTS_MAX * COST_MICRO


def test_who_decides_alone_asks_for_no_turn_and_reads_nothing(town: Town, recorder: Gated) -> None:
    spending, other = town.decider(), town.decider()
    assert ask(spending)
    recorder.asked.clear()
    assert [ask(spending), ask(spending)] == [True, True]
    assert recorder.asked == []
    assert ask(other)
    recorder.asked.clear()
    assert [ask(spending), ask(spending)] == [True, True]
    assert recorder.asked == ["read", "turn", "read", "turn", "read"], "in turn, once it has met another"


def test_who_decides_alone_gives_others_a_turn_now_and_then(town: Town, recorder: Gated) -> None:
    spending = town.decider()
    assert ask(spending)
    recorder.asked.clear()
    assert all(ask(spending) for _ in range(2 * (ALONE_MAX + 1)))
    assert recorder.asked == ["turn", "read"] * 2


def test_decisions_of_one_caller_are_one_append_and_each_has_its_own_answer(town: Town, recorder: Gated) -> None:
    def broken(spend: Spend) -> Draft:
        raise LookupError(spend.stream)

    told: list[bool] = []
    takes = [take_for(streams.video_id(new_uuid7()), told), broken, take_for(streams.video_id(new_uuid7()), told)]
    one, failed, other = town.decider().append_all([(take, context()) for take in takes])
    assert isinstance(failed, LookupError)
    assert [len(each) for each in (one, other) if not isinstance(each, Exception)] == [3, 3]
    assert recorder.appends == [6]
    assert town.decider().append_all([]) == []


def overtake(recorder: Gated, other: Spending) -> None:
    waiting, recorder.before = recorder.before, []
    assert ask(other)
    recorder.before = waiting


@pytest.mark.xdist_group("spending")
def test_two_hundred_at_once_from_four_processes_against_a_cap_for_k_are_k(server_url: str) -> None:
    with temporary_database(server_url) as database:
        migrate(database, files("ledger.migrations"), schema="ledger")
        spend_benchmark.set_cap(database, 37)
        counts = spend_benchmark.decide_in_processes(database, "ours", processes=4, threads=10, seconds=60, most=5)
        assert sum(counts) == 37
        assert spend_benchmark.spent_micro(database) == 37 * spend_benchmark.COST_MICRO


def test_one_who_fails_outside_of_an_append_leaves_the_others_somebody_who_decides(town: Town, recorder: Gated) -> None:
    spending = town.decider()
    recorder.no_turns = True
    with pytest.raises(LookupError):
        ask(spending)
    recorder.no_turns = False
    assert spending.waiting == 0
    assert ask(spending)

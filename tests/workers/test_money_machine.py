"""Whatever is asked, deleted, approved, repriced or killed: every millionth is accounted for, and no cap is passed.

A machine drives the real workers as it likes. What it checks is kept a second time, from the facts alone and as plainly
as can be.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bickford_sora.decisions import settlement
from bickford_sora.decisions.approvals import Answer
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Price, Recovery
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.errors import ProtocolError
from bickford_sora.renderers.openai import CAPABILITIES
from ledger import events as e
from ledger import spend, streams
from ledger.envelope import Fact
from ledger.spend import Budget, Periods, Spend
from projections import spend_totals
from projections.spend import Span
from tests.ledger.spending import books_of, check_balanced
from tests.trying import tries
from tests.workers.harness import APPROVAL_S, CALLER, ORIGIN, Harness, Killed, harness

STREAM = streams.spend("main")
HOLDS = b"version: 1\ndefault: allow\nrules:\n- {id: long, effect: require_approval, when: {seconds_min: 8}}\n"
APPROVER = Caller("main", "default", "req-2", "key_2", frozenset({"approver"}))
PRICES = st.sampled_from(
    [
        (Price("second", {"*": 100_000}),),
        (Price("second", {"*": 33_333}, currency="EUR"),),
        (Price("output", {"*": 0}),),
        (Price("renderer_second", {"*": 7}, p95_ms={"*": 90_001}),),
        (),
    ]
)
REPORTS = st.sampled_from(
    [
        {},
        {"seconds": "1"},
        {"seconds": "12"},
        {"outputs": 3},
        {"inference_s": 0.0004},
        {"cost_micro": 0},
        {"cost_micro": 1},
        {"cost_micro": 987_654_321},
        {"cost_micro": 10**16},
    ]
)
BUDGETS = st.builds(
    e.BudgetSet,
    budget_id=st.sampled_from(["a", "b"]),
    scope=st.sampled_from(["tenant", "project:default", f"key:{CALLER.key_id}", "project:other"]),
    window=st.sampled_from(["minute", "day", "month", "total", "in_flight"]),
    cap=st.builds(e.Money, amount_micro=st.integers(0, 3_000_000), currency=st.sampled_from(["USD", "EUR"])),
    thresholds=st.sampled_from([(), (50, 100)]),
    hard=st.booleans(),
)
COUNTS = st.builds(
    e.BudgetSet,
    budget_id=st.just("c"),
    scope=st.just("tenant"),
    window=st.sampled_from(["minute", "day", "total", "in_flight"]),
    unit=st.sampled_from(["renders", "seconds"]),
    cap_count=st.integers(0, 20),
)
CALLS = {
    "submit": ["busy", "lose request", "lose answer", "list late", "refuse", "forget"],
    "jobs": ["away"],
    "status": ["away", "gone", "fails"],
    "content": ["missing", "broken", "expired"],
    "delete": ["away", "conflict"],
}
TROUBLES = st.sampled_from([(call, what) for call, troubles in CALLS.items() for what in troubles])
PLACES = st.sampled_from(
    [
        "submit",
        "content",
        "append:render.intent",
        "append:render.queued",
        "append:render.completed",
        "append:render.cancelled",
        "append:render.job_lost",
        "append:render.duplicate_found",
    ]
)
MOMENTS: st.SearchStrategy[Literal["before", "after"]] = st.sampled_from(["before", "after"])


class Money(RuleBasedStateMachine):
    """Drives a gateway."""

    @initialize(
        rules=st.builds(
            Recovery,
            on_unknown=st.sampled_from(["resubmit", "fail"]),
            on_lost=st.sampled_from(["resubmit", "fail"]),
            lost_attempts_max=st.sampled_from([1, 3]),
        ),
        lists=st.booleans(),
        prices=PRICES,
        two=st.booleans(),
    )
    def begin(self, rules: Recovery, prices: tuple[Price, ...], *, lists: bool, two: bool) -> None:
        self.closing = contextlib.ExitStack()
        self.shop: Harness = self.closing.enter_context(
            harness(policy=Policy(read_policy(HOLDS)), settlement_factor_max=1e12)
        )
        self.others = [self.shop.another()] if two else []
        for each in (self.shop.renderer, *self.others):
            each.recovery, each.prices, each.capabilities = rules, prices, replace(CAPABILITIES, lists=lists)

    @rule(
        prompt=st.sampled_from("ab"),
        seconds=st.sampled_from(["4", "8"]),
        n=st.sampled_from([1, 1, 4]),
        key=st.sampled_from([None, None, "k"]),
    )
    def ask(self, prompt: str, seconds: str, n: int, key: str | None) -> None:
        with self.surviving():
            self.shop.ask(prompt, key=key, seconds=seconds, n=n)

    @rule(which=st.integers(0, 9))
    def delete(self, which: int) -> None:
        if video_ids := self.asked():
            with self.surviving():
                self.shop.delete(video_ids[which % len(video_ids)])

    @rule(which=st.integers(0, 9), decision=st.sampled_from(["approve", "deny"]))
    def answer(self, which: int, decision: Literal["approve", "deny"]) -> None:
        if video_ids := self.asked():
            with self.surviving():
                self.shop.answer(video_ids[which % len(video_ids)], APPROVER, Answer(decision=decision, reason="So."))

    @rule(fact=BUDGETS | COUNTS)
    def set_budget(self, fact: e.BudgetSet) -> None:
        self.on_spend(lambda _: [fact])

    @rule(budget_id=st.sampled_from(["a", "b", "c"]))
    def remove_budget(self, budget_id: str) -> None:
        self.on_spend(lambda state: [e.BudgetRemoved(budget_id=budget_id)] if budget_id in state.budgets else [])

    @rule(prices=PRICES, reports=REPORTS)
    def reprice(self, prices: tuple[Price, ...], reports: dict[str, Any]) -> None:
        for each in (self.shop.renderer, *self.others):
            each.prices, each.reports = prices, reports

    @rule(trouble=TROUBLES, times=st.sampled_from([1, 1, 9]))
    def trouble(self, trouble: tuple[str, str], times: int) -> None:
        self.shop.mischief.scripts[trouble[0]] += [trouble[1]] * times

    @rule(place=PLACES, moment=MOMENTS)
    def kill(self, place: str, moment: Literal["before", "after"]) -> None:
        self.shop.mischief.kill_at = (place, moment)

    @rule(how=st.sampled_from(["delete", "run"]), run_s=st.sampled_from([100.0, 2_000.0]))
    def hold_a_request(self, how: str, run_s: float) -> None:
        """The next submission's request is on its way for so long; meanwhile the others work."""

        def meanwhile() -> None:
            if how == "delete":
                for video_id in self.asked():
                    self.shop.delete(video_id)
            self.shop.run(run_s_max=run_s)

        self.shop.mischief.hooks["on its way"] = meanwhile
        self.ask("held", "4", 1, None)
        self.shop.run(run_s_max=1.0)

    @rule(reports=REPORTS)
    def lose_a_video(self, reports: dict[str, Any]) -> None:
        """The next file that is fetched is gone for good; what is made in its place is said to be something else."""
        self.shop.mischief.scripts["content"] = ["missing"] * 8
        self.shop.run(run_s_max=3_600.0)
        for each in (self.shop.renderer, *self.others):
            each.reports = reports

    @rule(seconds=st.sampled_from([30.0, 3600.0, 86_400.0, -90.0]))
    def pass_time(self, seconds: float) -> None:
        self.shop.clock.advance(seconds)

    @rule(run_s=st.sampled_from([1.0, 60.0, 2 * APPROVAL_S]))
    def work(self, run_s: float) -> None:
        self.shop.run(run_s_max=run_s)

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "shop"):
            return
        facts = self.facts()
        books = books_of(facts)
        check_balanced(books)
        state = spend.fold(None, self.shop.ledger.history(STREAM)) or Spend(STREAM)
        assert {each: made.amount_micro for each, made in state.open.items()} == books.open
        check_used(state, facts)

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        with self.closing:
            mischief = self.shop.mischief
            mischief.scripts.clear()
            mischief.hooks.clear()
            mischief.kill_at = None
            self.shop.run(run_s_max=30 * 86_400.0)
            self.the_books_agree()
            facts = self.facts()
            assert not books_of(facts).open
            check_totals(self.shop, facts)
            spent = spent_of(facts)
            for video_id in {each.video_id for each in facts if isinstance(each, e.SpendReserved)}:
                assert spent[video_id] == due(self.shop, video_id), (video_id, self.shop.types(video_id))

    def asked(self) -> list[str]:
        return self.shop.accepted

    def facts(self) -> list[Fact]:
        return [event.fact for event in self.shop.ledger.history(STREAM)]

    def on_spend(self, facts: Callable[[Spend], Sequence[Fact]]) -> None:
        with self.surviving():
            self.shop.shop.recording.on_spend(
                lambda state, _: Draft(tuple((state.stream, fact) for fact in facts(state)), {}), ORIGIN
            )

    @contextlib.contextmanager
    def surviving(self) -> Iterator[None]:
        """Whoever asks may be refused, or the process that takes it killed; then it is started again."""
        try:
            yield
        except ProtocolError:
            pass
        except Killed:
            self.shop.start()
        self.shop.accepted = sorted({each.video_id for each in self.facts() if isinstance(each, e.SpendReserved)})


def spent_of(facts: Sequence[Fact]) -> Counter[str]:
    """What each render cost in all."""
    spent = Counter(books_of(facts).settled)
    for fact in facts:
        if isinstance(fact, e.SpendAdjusted) and fact.video_id:
            spent[fact.video_id] += fact.cost.amount_micro
    return spent


def due(shop: Harness, video_id: str) -> int:
    """What a render comes to, job by job, from its own facts: each that may be billed counts once."""
    render, facts = shop.render(video_id), shop.facts(video_id)
    quoted = render.quoted.cost.amount_micro if render.quoted else 0
    allowed: e.Quote | None = None
    total, is_open, is_settled = 0, False, False
    for fact in facts:
        if isinstance(fact, e.RenderAllowed | e.RenderRerouted):
            allowed = fact.quote
        elif isinstance(fact, e.RenderQueued):
            is_open, is_settled = True, False
        elif isinstance(fact, e.RenderCompleted) and not is_settled and allowed:
            total, is_open, is_settled = (
                total + settlement.due(allowed, render.intent, fact.reported).amount_micro,
                False,
                True,
            )
        elif isinstance(fact, e.RenderFailed) and fact.failed_by == "renderer":
            is_open = False
        elif isinstance(fact, e.RenderResubmitted) and is_open:
            total, is_open = total + quoted, False
        elif isinstance(fact, e.RenderDuplicateFound) and not fact.cancelled:
            total += quoted
    if is_open and allowed:
        total += allowed.cost.amount_micro
    return total + len(render.doubtful) * quoted


class Used:
    """What is used, summed over the facts, and the caps that were in force at the place of each."""

    def __init__(self) -> None:
        self.used: Counter[tuple[str, str, str]] = Counter()
        self.caps: dict[str, Budget] = {}
        self._first: dict[str, e.SpendReserved] = {}
        self._micro: Counter[str] = Counter()

    def told(self, fact: Fact) -> None:
        if isinstance(fact, e.SpendReserved):
            self._reserved(fact)
        elif isinstance(fact, e.SpendSettled | e.SpendReleased):
            self._closed(fact)
        elif isinstance(fact, e.SpendAdjusted):
            counted = spend.scopes(project=fact.project, key_id=fact.key_id, requester=fact.requester)
            self._add(counted, Periods(fact.day, ""), fact.cost.currency, fact.cost.amount_micro)
        elif isinstance(fact, e.BudgetSet):
            self.caps[fact.budget_id] = _budget(fact)
        elif isinstance(fact, e.BudgetRemoved):
            del self.caps[fact.budget_id]

    def _reserved(self, fact: e.SpendReserved) -> None:
        made = spend.reservation(self._first.setdefault(fact.video_id, fact))
        self._micro[fact.video_id] += fact.cost.amount_micro if fact.cost else 0
        for unit, number in spend.reservation(fact).numbers():
            self._add(made.scopes, made.periods, unit, number, in_flight=number)
        for cap in self.caps.values():
            if fact.renders and cap.hard and cap.scope in made.scopes and cap.window != "minute":
                assert self.used[cap.scope, made.periods.of(cap.window), cap.unit] <= cap.cap, cap

    def _closed(self, fact: e.SpendSettled | e.SpendReleased) -> None:
        made, micro = spend.reservation(self._first[fact.video_id]), self._micro[fact.video_id]
        cost = fact.cost.amount_micro if isinstance(fact, e.SpendSettled) and fact.cost else 0
        if made.currency:
            self._add(made.scopes, made.periods, made.currency, cost - micro, in_flight=-micro)
        for unit, number in (("renders", made.renders), ("seconds", made.seconds)):
            freed = -number if isinstance(fact, e.SpendReleased) else 0
            self._add(made.scopes, made.periods, unit, freed, in_flight=-number)

    def _add(self, scopes: Sequence[str], periods: Periods, unit: str, number: int, *, in_flight: int = 0) -> None:
        for scope in scopes:
            for period in (periods.day, periods.of("month"), "total"):
                self.used[scope, period, unit] += number
            self.used[scope, "in_flight", unit] += in_flight


def check_used(state: Spend, facts: Sequence[Fact]) -> None:
    """No reservation passed a cap that was in force at its place; what is used is the sum over the facts."""
    kept = Used()
    for fact in facts:
        kept.told(fact)
    assert {what: number for what, number in kept.used.items() if number} == state.used
    assert state.budgets == kept.caps


def _budget(fact: e.BudgetSet) -> Budget:
    unit, cap = (fact.cap.currency, fact.cap.amount_micro) if fact.cap else (fact.unit, fact.cap_count or 0)
    return Budget(fact.budget_id, fact.scope, fact.window, unit, cap, fact.hard, fact.thresholds)


def check_totals(shop: Harness, facts: Sequence[Fact]) -> None:
    """The report adds up to the facts, whatever it is told by."""
    books = books_of(facts)
    adjusted = sum(each.cost.amount_micro for each in facts if isinstance(each, e.SpendAdjusted))
    span = Span("main", None, "2000-01-01", "2100-01-01")
    for by in ("day", "month", "model", "renderer", "project", "key", "requester", "purpose", "tag"):
        totals = spend_totals.totals(shop.ledger.history(STREAM), span, by)
        assert sum(each.reserved_micro for each in totals) == sum(books.reserved.values())
        assert sum(each.settled_micro for each in totals) == sum(books.settled.values())
        assert sum(each.released_micro for each in totals) == sum(books.released.values())
        assert sum(each.adjusted_micro for each in totals) == adjusted
        assert not any(each.open_micro for each in totals)


TestMoney = Money.TestCase
TestMoney.settings = settings(
    max_examples=tries(40), stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

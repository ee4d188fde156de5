from collections.abc import Iterable

import pytest
from hypothesis import given as holds_for
from hypothesis import strategies as st

from bickford_sora.decisions import budgets, quotas
from bickford_sora.decisions.budgets import Shortfall
from bickford_sora.decisions.policy import Refusal
from ledger import events as e
from ledger import spend as spends
from ledger.envelope import Fact
from ledger.lifecycle import ImpossibleStep
from ledger.spend import Periods, Spend
from tests.decisions.given import ALLOWED, COMPLETED, INTENT, QUEUED, STARTED, STORED, UNKNOWN, VIDEO_ID, given
from tests.ledger.spending import USD, books_of, check_balanced, usd

TODAY = Periods("2026-11-20", "2026-11-20T12:00")
NEXT_MINUTE = Periods("2026-11-20", "2026-11-20T12:01")
TOMORROW = Periods("2026-11-21", "2026-11-21T00:00")
NEXT_MONTH = Periods("2026-12-01", "2026-12-01T00:00")
VERDICT = e.Verdict(policy_hash="a" * 64, rules=("allow-offered",))


def after(*facts: Fact) -> Spend:
    """The spend after these facts."""
    return applied(Spend("spend:main"), facts)


def applied(spend: Spend, facts: Iterable[Fact]) -> Spend:
    for fact in facts:
        spends.evolve(spend, spend.version + 1, fact)
    return spend


def wanted(
    video: int = 1, micro: int | None = 400_000, periods: Periods = TODAY, *, seconds: int = 4, **whose: str
) -> e.SpendReserved:
    return e.SpendReserved(
        video_id=f"video_{video}",
        cost=None if micro is None else usd(micro),
        seconds=seconds,
        day=periods.day,
        minute=periods.minute,
        **{"project": "films", "requester": "req-1", "key_id": "key_1", **whose},
    )


def cap(micro: int, budget_id: str = "monthly", **change: object) -> e.BudgetSet:
    given = {"budget_id": budget_id, "scope": "tenant", "window": "month", "cap": usd(micro), **change}
    return e.BudgetSet.model_validate(given)


def count(number: int, unit: str, window: str, scope: str = "tenant", budget_id: str = "count") -> e.BudgetSet:
    given = {"budget_id": budget_id, "scope": scope, "window": window, "unit": unit, "cap_count": number}
    return e.BudgetSet.model_validate(given)


def short(spend: Spend, asked: e.SpendReserved) -> Shortfall:
    found = budgets.short_of(spend, asked)
    assert isinstance(found, Shortfall)
    return found


def refusal(spend: Spend, asked: e.SpendReserved) -> Refusal:
    _, refused = quotas.held_to((VERDICT, None), spend, asked)
    assert refused is not None
    return refused


def test_a_render_fits_up_to_the_last_millionth_of_a_cap() -> None:
    spend = after(cap(1_000_000), wanted(1, 600_000))
    assert budgets.short_of(spend, wanted(2, 400_000)) is None
    assert short(spend, wanted(2, 400_001)).headroom == 400_000


@pytest.mark.parametrize(
    ("scope", "binds"),
    [
        ("tenant", True),
        ("project:films", True),
        ("project:ads", False),
        ("key:key_1", True),
        ("key:key_2", False),
        ("requester:req-1", True),
        ("requester:req-2", False),
    ],
)
def test_a_cap_holds_for_those_in_its_scope_alone(scope: str, binds: bool) -> None:
    spend = after(cap(100_000, scope=scope))
    assert (budgets.short_of(spend, wanted()) is not None) is binds


@pytest.mark.parametrize(
    ("window", "same", "later"),
    [
        ("minute", TODAY, NEXT_MINUTE),
        ("day", NEXT_MINUTE, TOMORROW),
        ("month", TOMORROW, NEXT_MONTH),
    ],
)
def test_a_period_that_ends_frees_its_cap(window: str, same: Periods, later: Periods) -> None:
    spend = after(cap(500_000, window=window), wanted(1))
    assert budgets.short_of(spend, wanted(2, periods=same)) is not None
    assert budgets.short_of(spend, wanted(2, periods=later)) is None


def test_a_total_never_ends_and_in_flight_ends_with_the_render() -> None:
    spend = after(cap(500_000, window="total"), wanted(1), e.SpendSettled(video_id="video_1", cost=usd(400_000)))
    assert budgets.short_of(spend, wanted(2, periods=NEXT_MONTH)) is not None
    spend = after(count(1, "renders", "in_flight"), wanted(1))
    assert budgets.short_of(spend, wanted(2)) is not None
    applied(spend, [e.SpendSettled(video_id="video_1", cost=usd(400_000))])
    assert budgets.short_of(spend, wanted(2)) is None


@pytest.mark.parametrize(("unit", "number"), [("renders", 1), ("seconds", 7)])
def test_renders_and_seconds_are_counted_like_money(unit: str, number: int) -> None:
    spend = after(count(number, unit, "day"))
    assert budgets.short_of(spend, wanted(1)) is None
    applied(spend, [wanted(1)])
    assert short(spend, wanted(2)).budget.unit == unit


def test_of_several_caps_the_one_that_does_not_pass_by_itself_is_named_and_of_those_the_tightest() -> None:
    spend = after(
        count(0, "renders", "in_flight", budget_id="in-flight"),
        cap(300_000, "wide"),
        cap(100_000, "tight", window="day"),
    )
    assert short(spend, wanted()).budget.budget_id == "tight"
    assert short(spend, wanted()).headroom == 100_000


def test_a_soft_cap_only_tells_and_each_threshold_once_a_period() -> None:
    spend = after(cap(1_000_000, hard=False, thresholds=(50, 100)))
    first = budgets.reserved(spend, wanted(1, 600_000))
    assert [type(fact) for fact in first] == [e.SpendReserved, e.BudgetThreshold]
    applied(spend, first)
    assert budgets.reserved(spend, wanted(2, 100_000)) == [wanted(2, 100_000)], "it was told"
    over = budgets.reserved(spend, wanted(3, 900_000))
    assert over[1:] == [e.BudgetThreshold(budget_id="monthly", percent=100, period="2026-11")]
    applied(spend, over)
    assert budgets.reserved(spend, wanted(4, 600_000, NEXT_MONTH))[1:] == [
        e.BudgetThreshold(budget_id="monthly", percent=50, period="2026-12")
    ]


def test_a_clock_that_jumps_back_counts_in_the_minute_it_jumped_from() -> None:
    spend = after(count(1, "renders", "minute"), wanted(1, periods=NEXT_MINUTE))
    assert budgets.short_of(spend, wanted(2, periods=TODAY)) is not None


def test_a_render_without_a_price_cannot_be_held_to_a_cap_of_money() -> None:
    assert refusal(after(cap(1_000_000)), wanted(micro=None)).code == "price_unknown"
    assert budgets.short_of(after(count(3, "renders", "day")), wanted(micro=None)) is None


def test_a_cap_lowered_below_what_is_used_stops_the_next_and_leaves_the_open_ones() -> None:
    spend = after(cap(2_000_000), wanted(1), wanted(2), cap(500_000))
    assert short(spend, wanted(3)).headroom == 0
    settled = applied(spend, [e.SpendSettled(video_id="video_1", cost=usd(400_000))])
    assert set(settled.open) == {"video_2"}


def test_the_error_names_the_cap_its_headroom_and_what_to_do() -> None:
    refused = refusal(after(cap(1_000_000), wanted(1, 700_000)), wanted(2))
    assert (refused.code, refused.kind) == ("insufficient_quota", "quota")
    for told in ("'monthly'", "tenant", "month", "0.30 USD of 1.00 USD", "0.40 USD"):
        assert told in refused.message
    error = quotas.refused(refused)
    assert (error.status, error.type, error.headers) == (429, "insufficient_quota", {"x-should-retry": "false"})


def test_a_cap_that_passes_by_itself_says_when_to_come_back() -> None:
    refused = refusal(after(count(0, "renders", "minute")), wanted())
    error = quotas.refused(refused)
    assert (error.status, error.code, error.headers["retry-after"]) == (429, "rate_limit_exceeded", "60")
    assert "ate limit" in refused.message


def test_a_settlement_above_its_reservation_sets_the_excess_aside_first_and_closes_the_cap_it_breaks() -> None:
    spend = after(cap(1_000_000), cap(9_000_000, "total", window="total"), wanted(1, 800_000))
    facts = budgets.settled(spend, "video_1", usd(1_300_000))
    assert [type(fact) for fact in facts] == [e.SpendReserved, e.SpendSettled, e.BudgetOverrun]
    assert facts[0] == wanted(1, 500_000, seconds=0).model_copy(update={"renders": 0})
    assert facts[2] == e.BudgetOverrun(budget_id="monthly", excess=usd(300_000))
    applied(spend, facts)
    refused = refusal(spend, wanted(2, 1, NEXT_MONTH))
    assert "overrun" in refused.message
    assert not refused.retry_after_ms
    assert budgets.short_of(applied(spend, [cap(2_000_000)]), wanted(2)) is None, "set again, it is open again"


def test_a_settlement_below_its_reservation_frees_the_rest_in_the_day_it_was_reserved() -> None:
    spend = after(cap(1_000_000, window="day"), wanted(1, 900_000))
    applied(spend, budgets.settled(spend, "video_1", usd(300_000)))
    assert budgets.short_of(spend, wanted(2, 700_000)) is None


def test_a_threshold_that_only_a_settlement_passes_is_told_of_too() -> None:
    spend = after(cap(1_000_000, thresholds=(80, 100)), wanted(1, 700_000))
    facts = budgets.settled(spend, "video_1", usd(1_300_000))
    told = [fact for fact in facts if isinstance(fact, e.BudgetThreshold)]
    assert [fact.percent for fact in told] == [80, 100], "the cap is closed now: no later reservation would tell"
    assert facts.index(told[0]) == 1, "behind what says whose render it was"
    applied(spend, facts)
    assert budgets.short_of(spend, wanted(2, 1)) is not None


def test_a_cap_that_is_raised_tells_of_its_thresholds_again() -> None:
    spend = after(cap(1_000_000, window="total", thresholds=(80,)))
    applied(spend, budgets.reserved(spend, wanted(1, 800_000)))
    applied(spend, [cap(10_000_000, window="total", thresholds=(80,))])
    assert budgets.reserved(spend, wanted(2, 400_000))[1:] == []
    again = budgets.reserved(spend, wanted(3, 7_200_000))
    assert [type(fact) for fact in again] == [e.SpendReserved, e.BudgetThreshold]
    applied(spend, again)
    applied(spend, [cap(9_999_999, window="total", thresholds=(80,))])
    assert budgets.reserved(spend, wanted(4, 1))[1:] == [], "it is still reached, and was told"


def test_what_a_render_of_an_earlier_minute_costs_beyond_its_quote_takes_nothing_of_this_minute() -> None:
    minutely = cap(1_000_000, "minutely", window="minute", thresholds=(50,))
    spend = after(minutely, wanted(1, 400_000), wanted(2, 100_000, NEXT_MINUTE))
    facts = budgets.settled(spend, "video_1", usd(3_000_000))
    assert [type(fact) for fact in facts] == [e.SpendReserved, e.SpendSettled]
    applied(spend, facts)
    assert budgets.short_of(spend, wanted(3, 900_000, NEXT_MINUTE)) is None
    assert short(spend, wanted(3, 900_001, NEXT_MINUTE)).headroom == 900_000


FAILED_THERE = e.RenderFailed(code="moderation_blocked", failed_by="renderer")
FAILED_HERE = e.RenderFailed(code="deadline_exceeded", failed_by="bickford")
TAKEN = (INTENT, ALLOWED, STARTED, QUEUED)
CANCELLED = e.RenderCancelled(reason="deleted")
ABSENT = e.RenderSubmissionAbsent(attempt=1, jobs_searched=0)
ASIDE = wanted().model_copy(update={"video_id": VIDEO_ID})


@pytest.mark.parametrize(
    ("history", "new", "expected"),
    [
        (TAKEN, (COMPLETED,), e.SpendSettled),
        (TAKEN, (FAILED_THERE,), e.SpendReleased),
        (TAKEN, (FAILED_HERE,), e.SpendSettled),
        (TAKEN, (CANCELLED, e.RenderDeleted()), e.SpendSettled),
        ((INTENT, ALLOWED), (CANCELLED, e.RenderDeleted()), e.SpendReleased),
        ((INTENT, ALLOWED, STARTED), (CANCELLED, e.RenderDeleted()), None),
        ((INTENT, ALLOWED, STARTED, UNKNOWN, CANCELLED), (ABSENT,), e.SpendReleased),
        ((INTENT, ALLOWED, STARTED, CANCELLED), (QUEUED,), e.SpendSettled),
        ((*TAKEN, COMPLETED, STORED), (e.RenderDeleted(),), None),
        (TAKEN, (e.RenderProgress(status="in_progress", progress=3),), None),
    ],
)
def test_what_becomes_of_a_reservation(
    history: tuple[Fact, ...], new: tuple[Fact, ...], expected: type[Fact] | None
) -> None:
    before, render = given(*history), given(*history, *new)
    spend = after(ASIDE)
    if any(isinstance(fact, e.RenderCompleted) for fact in history):
        applied(spend, [e.SpendSettled(video_id=VIDEO_ID, cost=usd(400_000))])
    facts = budgets.consequences(before, render, new, spend) if budgets.concerns_money(before, render, new) else []
    assert [type(fact) for fact in facts] == ([expected] if expected else [])


def test_a_render_from_before_there_was_a_spend_stream_has_nothing_to_settle() -> None:
    assert budgets.consequences(given(*TAKEN), given(*TAKEN, COMPLETED), (COMPLETED,), after()) == []


@pytest.mark.parametrize(
    "impossible",
    [
        (e.SpendSettled(video_id="video_1", cost=usd(1)),),
        (wanted(1), e.SpendReleased(video_id="video_1"), e.SpendReleased(video_id="video_1")),
        (wanted(1, 100), e.SpendSettled(video_id="video_1", cost=usd(101))),
        (wanted(1), wanted(1, project="ads")),
        (e.BudgetRemoved(budget_id="monthly"),),
        (INTENT,),
    ],
)
def test_facts_that_cannot_be_are_not_taken_in(impossible: tuple[Fact, ...]) -> None:
    with pytest.raises(ImpossibleStep):
        after(*impossible)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "raise", "lower"]),
        st.integers(0, 9),
        st.integers(0, 1_500_000),
        st.sampled_from([TODAY, NEXT_MINUTE, TOMORROW, NEXT_MONTH]),
        st.sampled_from(["films", "ads"]),
    ),
    max_size=60,
)


@holds_for(STEPS)
def test_reserved_is_settled_released_and_open_whatever_happens(
    steps: list[tuple[str, int, int, Periods, str]],
) -> None:
    facts: list[Fact] = [cap(3_000_000), cap(2_000_000, "films", scope="project:films", window="day")]
    spend = after(*facts)
    for what, number, micro, periods, project in steps:
        video_id = f"video_{number}"
        new: list[Fact] = []
        if what == "reserve" and video_id not in spend.open:
            asked = wanted(number, micro, periods, project=project).model_copy(
                update={"video_id": f"video_{number}_{len(facts)}"}
            )
            new = budgets.reserved(spend, asked) if budgets.short_of(spend, asked) is None else []
        elif what in {"settle", "release"} and spend.open:
            open_id = sorted(spend.open)[number % len(spend.open)]
            new = budgets.settled(spend, open_id, usd(micro)) if what == "settle" else [_released(spend, open_id)]
        elif what in {"raise", "lower"}:
            new = [cap(micro * 3)]
        applied(spend, new)
        facts += new
        _check(spend, facts)


def _released(spend: Spend, video_id: str) -> e.SpendReleased:
    return e.SpendReleased(video_id=video_id, cost=usd(spend.open[video_id].amount_micro))


def _check(spend: Spend, facts: list[Fact]) -> None:
    books = books_of(facts)
    check_balanced(books)
    assert {each: made.amount_micro for each, made in spend.open.items()} == books.open
    total = sum(books.settled.values()) + sum(books.open.values())
    assert spend.used.get(("tenant", "total", USD), 0) == total
    projects = [spend.used.get((f"project:{name}", "total", USD), 0) for name in ("films", "ads")]
    days = [spend.used.get(("tenant", each.day, USD), 0) for each in (TODAY, TOMORROW, NEXT_MONTH)]
    assert sum(projects) == sum(days) == total
    assert spend.used.get(("tenant", "in_flight", USD), 0) == sum(books.open.values())
    assert all(number >= 0 for number in (*spend.used.values(), *spend.minute_used.values()))

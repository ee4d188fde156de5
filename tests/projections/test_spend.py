from collections.abc import Iterator  # noqa: INP001 - tests/ holds rooms, it is no package
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import events as e
from ledger import spend as spends
from ledger import streams
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.envelope import Context, Decision, Fact
from ledger.identifiers import new_uuid7
from ledger.spend import Spend
from projections.port import Pool
from projections.projector import Projector
from projections.spend import By, Span, SpendTable, Total, Which
from tests.http.folded_spend import FoldedSpend
from tests.trying import tries

DAYS = ("2026-11-01", "2026-11-20", "2026-12-01")
EVER = ("2026-01-01", "2026-12-31")


def usd(micro: int) -> e.Money:
    return e.Money(amount_micro=micro, currency="USD")


def reserved(video: int, micro: int | None = 400_000, **change: object) -> e.SpendReserved:
    given = {
        "video_id": f"video_{video}",
        "cost": None if micro is None else usd(micro),
        "project": "films",
        "requester": "req-1",
        "key_id": "key_1",
        "model": "sora-2",
        "renderer": "vllm",
        "seconds": 4,
        "day": DAYS[1],
        "minute": "2026-11-20T12:00",
        **change,
    }
    return e.SpendReserved.model_validate(given)


class Books:
    """A tenant's spend stream, written to."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.tenant = f"t{new_uuid7().hex[-12:]}"
        self.state = Spend(streams.spend(self.tenant))

    def record(self, *facts: Fact) -> None:
        stream, head = self.state.stream, self.state.version
        for number, fact in enumerate(facts, start=1):
            spends.evolve(self.state, head + number, fact)
        context = Context(self.tenant, "test", system_clock())
        drafted = [(stream, fact) for fact in facts]
        self.ledger.append(Decision.of(drafted, heads={stream: head}, context=context, new_id=new_uuid7))

    def span(self, project: str | None = None, days: tuple[str, str] = EVER) -> Span:
        return Span(self.tenant, project, *days)


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger)


@pytest.fixture
def table(pool: Pool) -> SpendTable:
    return SpendTable(pool)


def test_what_was_reserved_is_settled_released_and_open(books: Books, projector: Projector, table: SpendTable) -> None:
    books.record(
        reserved(1),
        reserved(2),
        reserved(3),
        reserved(4, None),
        e.SpendSettled(video_id="video_1", cost=usd(300_000)),
        e.SpendReleased(video_id="video_2", cost=usd(400_000)),
        e.SpendAdjusted(video_id="video_1", cost=usd(-50_000), model="sora-2", day=DAYS[2]),
    )
    projector.catch_up()
    priced, unpriced = table.totals(books.span(), "model")
    assert priced == Total("sora-2", "USD", 2, 8, 1_200_000, 300_000, 500_000, 400_000, -50_000)
    assert unpriced == Total("sora-2", None, 1, 4, 0, 0, 0, 0, 0)
    assert [each.name for each in table.totals(books.span(days=(DAYS[2], DAYS[2])), "day")] == [DAYS[2]]


def test_a_charge_is_told_with_whom_it_counts_for(books: Books, projector: Projector, table: SpendTable) -> None:
    books.record(
        reserved(1, tags=("spring",), purpose="final", day=DAYS[0]),
        reserved(1, 100_000, renders=0, seconds=0, model=None, day=DAYS[0]),
        e.SpendSettled(video_id="video_1", cost=usd(500_000)),
    )
    projector.catch_up()
    (charge,) = table.charges(books.span())
    assert (charge.day, charge.model, charge.tags, charge.purpose) == (DAYS[0], "sora-2", ["spring"], "final")
    assert (charge.amount_micro, charge.seconds, charge.kind) == (500_000, 4, "settled")
    assert table.charges(books.span(), charge.position) == []
    assert table.charges(books.span("ads")) == []


@dataclass(frozen=True)
class Step:
    """Something that happens to a tenant's money, as far as it can."""

    what: str
    which: int
    micro: int
    day: str
    project: str
    model: str
    tags: tuple[str, ...]
    is_priced: bool


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["reserve", "excess", "settle", "release", "adjust"]),
        which=st.integers(0, 5),
        micro=st.integers(0, 900_000),
        day=st.sampled_from(DAYS),
        project=st.sampled_from(["films", "ads"]),
        model=st.sampled_from(["sora-2", "wan"]),
        tags=st.sampled_from([(), ("spring",), ("spring", "sea")]),
        is_priced=st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=tries(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_every_report_equals_the_sum_over_the_ledger_to_the_millionth(
    ledger: Ledger, projector: Projector, table: SpendTable, steps: list[Step]
) -> None:
    books = Books(ledger)
    for number, step in enumerate(steps):
        if facts := [*_facts(books.state, step, number)]:
            books.record(*facts)
    projector.catch_up()
    folded = FoldedSpend(ledger)
    for span in (books.span(), books.span("ads"), books.span(days=(DAYS[0], DAYS[1]))):
        for by in get_args(By):
            assert table.totals(span, by) == folded.totals(span, by), by
        assert table.charges(span) == folded.charges(span)
        for which in (
            Which(tenant=span.tenant, project=span.project, first=span.first, last=span.last),
            Which(
                tenant=span.tenant, project=span.project, video_ids=["video_0", "video_3", "video_9"], renderer="vllm"
            ),
            Which(tenant=span.tenant, video_ids=["video_1"], renderer="another"),
        ):
            assert table.costs(which) == folded.costs(which)
    whole = table.totals(books.span(), "month")
    assert sum(each.reserved_micro for each in whole) == sum(
        each.settled_micro + each.released_micro + each.open_micro for each in whole
    )
    assert _used(whole) == books.state.used.get(("tenant", "total", "USD"), 0), "caps and reports count the same"


def _facts(state: Spend, step: Step, number: int) -> Iterator[Fact]:
    whose = {"day": step.day, "project": step.project, "model": step.model, "tags": step.tags}
    open_id = sorted(state.open)[step.which % len(state.open)] if state.open else None
    if step.what == "reserve":
        yield reserved(number, step.micro if step.is_priced else None, **whose)
    elif step.what == "adjust":
        yield e.SpendAdjusted(video_id=f"video_{step.which}", cost=usd(-step.micro), **whose)
    elif open_id is not None:
        was = state.open[open_id]
        cost = None if was.currency is None else usd(was.amount_micro)
        if step.what == "release":
            yield e.SpendReleased(video_id=open_id, cost=cost)
        elif step.what == "settle":
            yield e.SpendSettled(video_id=open_id, cost=cost and usd(min(step.micro, was.amount_micro)))
        elif cost is not None:
            named = dict(scope.split(":") for scope in was.scopes if ":" in scope)
            more = {"day": was.periods.day, "project": named["project"], "video_id": open_id}
            yield reserved(0, step.micro, renders=0, seconds=0, model=None, **more)


def _used(totals: list[Total]) -> int:
    return sum(each.settled_micro + each.open_micro + each.adjusted_micro for each in totals)

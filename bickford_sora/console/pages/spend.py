"""Spend: what was set aside and settled day by day, how far the caps are, and who and what it was for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from bickford_sora.console import charts
from bickford_sora.console.charts import Chart, Day
from bickford_sora.console.console import TheVisit, Visit, opened_by
from bickford_sora.console.routing import PageRoute, Pages
from bickford_sora.http import spend as reports
from bickford_sora.http.budgets import Budget, budget_object
from bickford_sora.http.forms import NO_NUL
from bickford_sora.http.roles import OVERSEES
from bickford_sora.http.spend import SpendReport, SpendTotal, told_spend, told_total
from ledger.spend import TENANT
from projections.spend import By, Span

CHART_DAYS_MAX = 92
"""Longest time that is drawn day by day."""
ROWS_MAX = 20
"""Rows of one breakdown; all of them are in the JSON of `/v1/spend` and in the CSV."""
BREAKDOWNS: Sequence[tuple[By, str]] = (
    ("model", "Model"),
    ("project", "Project"),
    ("requester", "Requester"),
    ("purpose", "Purpose"),
    ("tag", "Tag"),
)
"""What spend is broken down by, and the heading of it."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)
pages = Pages()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which spend is asked about. Without days, that of the present month."""

    since: str = Query("", max_length=10, pattern=NO_NUL)
    until: str = Query("", max_length=10, pattern=NO_NUL)
    project: str = Query("", max_length=128, pattern=NO_NUL)

    def as_sent(self) -> reports.Asked:
        """As the route takes it."""
        return reports.Asked(self.since or None, self.until or None, self.project or None)


class Breakdown(BaseModel):
    """Spend by one property, the most expensive first."""

    by: str
    heading: str
    rows: Sequence[SpendTotal]
    left_out: int
    """Rows that are not shown."""
    most_micro: int
    """Of the first row, to draw the others in proportion."""


class OfCurrency(BaseModel):
    """The sums of one currency, and its charts."""

    currency: str
    reserved_micro: int
    settled_micro: int
    open_micro: int
    released_micro: int
    adjusted_micro: int
    forecast_micro: int | None
    """What the month will have cost; None unless its days are asked about."""
    by_day: Chart | None
    """None: the time is too long to be drawn day by day."""
    running: Chart | None


class SpendPage(BaseModel):
    """What was spent in some days, both included."""

    asked: dict[str, str]
    since: str
    until: str
    today: str
    days: SpendReport
    unpriced: int
    """Renders without a known price."""
    currencies: Sequence[OfCurrency]
    breakdowns: Sequence[Breakdown]
    budgets: Sequence[Budget]


@pages.page("/spend", "spend.html", takes=OVERSEES)
async def spend(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> SpendPage:
    """The report."""
    return await visit.read(lambda visit: _page(visit, asked))


@router.get("/spend/charges.csv", dependencies=[opened_by(OVERSEES)])
async def charges(visit: TheVisit, asked: Annotated[Asked, Depends()]) -> StreamingResponse:
    """The charges as a file, as `/v1/spend/charges.csv`."""
    answer = await reports.charges_csv(visit.house, visit.caller, asked.as_sent())
    answer.headers["content-disposition"] = 'attachment; filename="charges.csv"'
    return answer


# What follows runs in the synchronous world, behind the crossing.


def _page(visit: Visit, asked: Asked) -> SpendPage:
    house, caller = visit.house, visit.caller
    span, behind = reports.span_of(house, caller, asked.as_sent())
    days = told_spend(house.spend_reports.report(span, "day"), behind=behind)
    budgets = [budget_object(each) for each in house.budgets.all(caller)]
    scope = TENANT if span.project is None else f"project:{span.project}"
    caps = [each for each in budgets if each.scope == scope]
    today = house.spend_reports.recording.periods().day
    return SpendPage(
        asked=asdict(asked),
        since=span.first,
        until=span.last,
        today=today,
        days=days,
        unpriced=sum(each.renders for each in days.data if each.currency is None),
        currencies=_currencies(days, caps, today),
        breakdowns=[_breakdown(visit, span, by, heading) for by, heading in BREAKDOWNS],
        budgets=budgets,
    )


def _breakdown(visit: Visit, span: Span, by: By, heading: str) -> Breakdown:
    found = [told_total(each) for each in visit.house.spend_reports.report(span, by).totals]
    rows = sorted(found, key=lambda each: (each.settled_micro + each.open_micro, each.renders), reverse=True)
    most = max((each.settled_micro + each.open_micro for each in rows), default=0)
    left_out = max(0, len(rows) - ROWS_MAX)
    return Breakdown(by=by, heading=heading, rows=rows[:ROWS_MAX], left_out=left_out, most_micro=most)


def _currencies(days: SpendReport, caps: Sequence[Budget], today: str) -> list[OfCurrency]:
    """`caps` count all of the spend that is shown, and nothing else."""
    names = sorted({each.currency for each in days.data if each.currency is not None})
    return [_of_currency(name, days, caps, today) for name in names]


def _of_currency(currency: str, report: SpendReport, caps: Sequence[Budget], today: str) -> OfCurrency:
    totals = {each.name: each for each in report.data if each.currency == currency}
    forecast = next((each.amount_micro for each in report.forecast or () if each.currency == currency), None)
    days = _days(report, totals)
    by_day = running = None
    if days:
        passed = sum(each.name <= today for each in days)
        of_month = _caps(caps, currency, "month") if report.forecast is not None else []
        by_day = charts.daily(days, _caps(caps, currency, "day"))
        running = charts.running(days, of_month, passed=passed, expected_micro=forecast)
    sums = {name: sum(getattr(each, name) for each in totals.values()) for name in _SUMS}
    return OfCurrency(currency=currency, forecast_micro=forecast, by_day=by_day, running=running, **sums)


_SUMS = ("reserved_micro", "settled_micro", "open_micro", "released_micro", "adjusted_micro")


def _days(report: SpendReport, totals: Mapping[str | None, SpendTotal]) -> list[Day]:
    """Every day, also those without spend; none where there are too many."""
    first, last = date.fromisoformat(report.since), date.fromisoformat(report.until)
    count = (last - first).days + 1
    if not 0 < count <= CHART_DAYS_MAX:
        return []
    names = [(first + timedelta(days=number)).isoformat() for number in range(count)]
    spent = [(name, totals.get(name)) for name in names]
    return [Day(name, each.settled_micro if each else 0, each.open_micro if each else 0) for name, each in spent]


def _caps(budgets: Sequence[Budget], currency: str, window: Literal["day", "month"]) -> list[int]:
    caps = [each.cap for each in budgets if each.window == window and each.cap is not None]
    return sorted({each.amount_micro for each in caps if each.currency == currency})

"""`/v1/spend`: what was spent, and the charges it is made of. Not in the protocol; in its manner."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from bickford_sora.decisions import chargeback
from bickford_sora.decisions.caller import Caller
from bickford_sora.http.as_of import AsOf, told
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheCaller, TheHouse, authenticated
from bickford_sora.http.lacking import read_models_behind
from bickford_sora.http.roles import OVERSEES
from bickford_sora.pasts import Past
from bickford_sora.spend_reports import SpendReport as Found
from ledger.events import Money
from projections.spend import CHARGES_MAX, By, Span
from projections.spend import Charge as Row
from projections.spend import Total as Sum

router = APIRouter(
    prefix="/v1/spend",
    tags=["spend"],
    dependencies=[Depends(authenticated)],
    responses=REFUSALS,
)

Day = Annotated[str | None, Query(description="A day such as 2026-11-20, or a month such as 2026-11.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which spend is asked about. Without days, that of the present month."""

    since: Day = None
    until: Day = None
    project: Annotated[str | None, Query(description="One project; else all that the key reads.")] = None


Asking = Annotated[Asked, Depends()]


class SpendTotal(BaseModel):
    """Sums over the renders of one name and currency. Reserved is settled, released and open."""

    name: str | None
    """What it is told by; null for renders that have none."""
    currency: str | None
    """Null: renders without a known price."""
    renders: int
    seconds: int
    reserved_micro: int
    settled_micro: int
    released_micro: int
    open_micro: int
    adjusted_micro: int


class SpendReport(BaseModel):
    """What was spent in some days, both included."""

    object: Literal["spend.report"] = "spend.report"
    by: By
    since: str
    until: str
    data: list[SpendTotal]
    forecast: list[Money] | None
    """What the month will have cost if it goes on like this; null unless the days are those of the present month."""
    behind: int
    """How many of the ledger's last facts may be missing, because the read model has not come to them."""


class Charge(BaseModel):
    """What one render cost, or one correction."""

    object: Literal["spend.charge"] = "spend.charge"
    position: int
    """In the ledger."""
    kind: Literal["settled", "adjusted"]
    video_id: str | None
    occurred_at: int
    """Unix seconds."""
    day: str
    project: str | None
    key_id: str | None
    requester: str | None
    model: str | None
    renderer: str | None
    purpose: str | None
    tags: list[str]
    cost: Money | None
    seconds: int


class ChargePage(BaseModel):
    """A page of charges in the ledger's order."""

    object: Literal["list"] = "list"
    data: list[Charge]
    has_more: bool
    behind: int
    """As in a report."""


@router.get("", summary="Report spend", dependencies=[OVERSEES])
async def report(
    response: Response, house: TheHouse, caller: TheCaller, asked: Asking, *, by: By = "day", as_of: AsOf = None
) -> SpendReport:
    """Totals by one property; of the present month where no days are given. `as_of`: as they were then."""
    if as_of is None:
        return await house.listing.run(_report, house, caller, asked, by)
    past = await house.listing.run(house.pasts.at, as_of)
    told(response, past)
    return await house.listing.run(_report_past, house, caller, past, asked, by)


@router.get("/charges", summary="List charges", dependencies=[OVERSEES])
async def charges(
    house: TheHouse,
    caller: TheCaller,
    asked: Asking,
    after: Annotated[int, Query(ge=0, lt=2**63, description="Begin behind this position.")] = 0,
) -> ChargePage:
    """What was settled and corrected, each with whom it counts for."""
    return await house.listing.run(_page, house, caller, asked, after)


@router.get("/charges.csv", summary="Download charges", dependencies=[OVERSEES], response_class=StreamingResponse)
async def charges_csv(house: TheHouse, caller: TheCaller, asked: Asking) -> StreamingResponse:
    """The charges in the columns of FOCUS 1.2, all of them: refused while some may be missing."""
    span = await house.listing.run(_whole_span, house, caller, asked)
    return StreamingResponse(_lines(house, span), media_type="text/csv; charset=utf-8")


async def _lines(house: House, span: Span) -> AsyncIterator[str]:
    yield _csv([chargeback.FOCUS_COLUMNS])
    after = 0
    while page := await house.listing.run(house.spend_reports.page, span, after):
        yield _csv([[*chargeback.focus_row(each, tenant=span.tenant)] for each in page])
        after = page[-1].position


def _csv(lines: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    return written.getvalue()


# What follows runs in the synchronous world, behind the crossing.


def span_of(house: House, caller: Caller, asked: Asked) -> tuple[Span, int]:
    """Whose spend is asked about, of which days, and how many facts the read model lacks. Raises InvalidRequest."""
    span = house.spend_reports.span(caller, asked.since, asked.until, asked.project)
    return span, house.wait_for_spend(house.limits.projection_wait_s)


def _whole_span(house: House, caller: Caller, asked: Asked) -> Span:
    """As `span_of`. Raises TryLater while facts are lacking: a file has no place to say so."""
    span, behind = span_of(house, caller, asked)
    if behind:
        raise read_models_behind()
    return span


def _report(house: House, caller: Caller, asked: Asked, by: By) -> SpendReport:
    span, behind = span_of(house, caller, asked)
    return told_spend(house.spend_reports.report(span, by), behind=behind)


def _report_past(house: House, caller: Caller, past: Past, asked: Asked, by: By) -> SpendReport:
    span = house.spend_reports.span(caller, asked.since, asked.until, asked.project, at=past.at)
    return told_spend(house.spend_reports.report_past(past, span, by), behind=0)  # folded from the ledger itself


def told_spend(found: Found, *, behind: int) -> SpendReport:
    """The report as it is answered."""
    forecast = found.forecast_micro
    return SpendReport(
        by=found.by,
        since=found.span.first,
        until=found.span.last,
        data=[told_total(each) for each in found.totals],
        forecast=None
        if forecast is None
        else [Money(amount_micro=micro, currency=currency) for currency, micro in sorted(forecast.items())],
        behind=behind,
    )


def _page(house: House, caller: Caller, asked: Asked, after: int) -> ChargePage:
    span, behind = span_of(house, caller, asked)
    found = house.spend_reports.page(span, after)
    return ChargePage(data=[_charge(each) for each in found], has_more=len(found) == CHARGES_MAX, behind=behind)


def told_total(found: Sum) -> SpendTotal:
    """The sums of one name as they are answered."""
    return SpendTotal(
        name=found.name,
        currency=found.currency,
        renders=found.renders,
        seconds=found.seconds,
        reserved_micro=found.reserved_micro,
        settled_micro=found.settled_micro,
        released_micro=found.released_micro,
        open_micro=found.open_micro,
        adjusted_micro=found.adjusted_micro,
    )


def _charge(found: Row) -> Charge:
    return Charge(
        position=found.position,
        kind=found.kind,
        video_id=found.video_id,
        occurred_at=int(found.occurred_at.timestamp()),
        day=found.day,
        project=found.project,
        key_id=found.key_id,
        requester=found.requester,
        model=found.model,
        renderer=found.renderer,
        purpose=found.purpose,
        tags=found.tags,
        cost=None if found.currency is None else Money(amount_micro=found.amount_micro, currency=found.currency),
        seconds=found.seconds,
    )

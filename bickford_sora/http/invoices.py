"""`/v1/spend/reconciliations`: a vendor's invoice held against the ledger. Not in the protocol; in its manner."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bickford_sora.decisions.invoice_match import Match, Pair
from bickford_sora.decisions.invoices import INVOICE_BYTES_MAX, read_invoice
from bickford_sora.decisions.wrong import invalid
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import Order, TheOrder, authenticated
from bickford_sora.http.roles import OVERSEES
from bickford_sora.invoices import Invoice
from ledger.events import Money

REASON_CHARS_MAX = 1_000
FIELDS_BYTES_MAX = 64 * 1024
"""Room for everything but the file."""
ESCAPED = 2
"""How much longer a file may be within JSON."""

router = APIRouter(
    prefix="/v1/spend/reconciliations", tags=["spend"], dependencies=[Depends(authenticated)], responses=REFUSALS
)


class ReconciliationAsked(BaseModel):
    """An invoice, and what to do with it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    invoice: str
    """The CSV file: a job or video id, amount and currency a line; date and number of the invoice where it has them."""
    renderer: str | None = None
    """Whose invoice it is; null: anybody's."""
    since: str | None = None
    """First day it is of, or month; null: of those it names."""
    until: str | None = None
    adjust: bool = False
    """Whether what differs is corrected."""
    reason: Annotated[str, Field(max_length=REASON_CHARS_MAX)] | None = None
    """Why. It is sealed."""


class ReconciledRender(BaseModel):
    """A render, or a job that is of none, as the invoice and the ledger have it."""

    video_id: str | None
    jobs: list[str]
    """The renderer's names for its jobs."""
    billed_id: str | None
    """As the invoice names it."""
    lines: list[int]
    """Of the file."""
    invoice: str | None
    billed: Money | None
    cost: Money | None
    """With the corrections so far."""
    state: Literal["open", "settled", "released"] | None
    day: str | None
    """In which it was reserved."""
    project: str | None
    renderer: str | None
    model: str | None
    positions: list[int]
    """Of its facts of money, in the ledger."""
    adjustment: Money | None
    """What makes it equal; recorded where that was asked for. Null where nothing can."""


class Reconciliation(BaseModel):
    """An invoice and the ledger side by side."""

    object: Literal["spend.reconciliation"] = "spend.reconciliation"
    since: str | None
    """The days the invoice is of, both included; null where nothing tells."""
    until: str | None
    adjusted: int
    """How many corrections were recorded."""
    matched: list[ReconciledRender]
    differing: list[ReconciledRender]
    """Billed otherwise than it cost, or not over yet."""
    theirs_only: list[ReconciledRender]
    ours_only: list[ReconciledRender]
    """Settled in those days, and not on the invoice."""


@router.post(
    "",
    summary="Match an invoice",
    dependencies=[OVERSEES],
    openapi_extra=json_body({**ReconciliationAsked.model_json_schema(), "additionalProperties": False}),
)
async def reconcile(request: Request, order: TheOrder) -> Reconciliation:
    """Compares a vendor's invoice with what renders cost; an admin of the tenant may have what differs corrected."""
    house = order.house
    bytes_max = ESCAPED * INVOICE_BYTES_MAX + FIELDS_BYTES_MAX
    fields = await read_json(request, bytes_max=bytes_max, silence_s=house.limits.body_silence_s)
    return await house.listing.run(_reconciled, order, fields)


# What follows runs in the synchronous world, behind the crossing.


def _reconciled(order: Order, fields: dict[str, object]) -> Reconciliation:
    try:
        asked = ReconciliationAsked.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None
    house, caller = order.house, order.caller
    days = None
    if asked.since is not None or asked.until is not None:
        span = house.spend_reports.span(caller, asked.since or asked.until, asked.until or asked.since, None)
        days = (span.first, span.last)
    invoice = Invoice(read_invoice(asked.invoice), asked.renderer, days, asked.reason)
    if asked.adjust:
        found, adjusted = house.invoices.adjust(caller, invoice, order.origin)
    else:
        found, adjusted = house.invoices.compare(caller, invoice), 0
    return _shown(found, adjusted)


def _shown(found: Match, adjusted: int) -> Reconciliation:
    first, last = found.days or (None, None)
    return Reconciliation(
        since=first,
        until=last,
        adjusted=adjusted,
        matched=_renders(found, found.matched),
        differing=_renders(found, found.differing),
        theirs_only=_renders(found, found.theirs_only),
        ours_only=_renders(found, found.ours_only),
    )


def _renders(found: Match, pairs: Sequence[Pair]) -> list[ReconciledRender]:
    return [_render(each, found.jobs.get(each.cost.video_id, ()) if each.cost else ()) for each in pairs]


def _render(pair: Pair, jobs: Sequence[str]) -> ReconciledRender:
    billed, cost = pair.billed, pair.cost
    return ReconciledRender(
        video_id=cost.video_id if cost else None,
        jobs=[*jobs],
        billed_id=billed.id if billed else None,
        lines=[*billed.lines] if billed else [],
        invoice=billed.invoice if billed else None,
        billed=Money(amount_micro=billed.amount_micro, currency=billed.currency) if billed else None,
        cost=Money(amount_micro=cost.amount_micro, currency=cost.currency) if cost and cost.currency else None,
        state=cost.state if cost else None,
        day=cost.day if cost else None,
        project=cost.project if cost else None,
        renderer=cost.renderer if cost else None,
        model=cost.model if cost else None,
        positions=cost.positions if cost else [],
        adjustment=pair.adjustment,
    )

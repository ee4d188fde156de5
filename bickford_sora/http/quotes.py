"""`POST /v1/videos/quote`: what a render would cost and whether it would be taken. Not in the protocol."""

from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.decisions import quotas
from bickford_sora.decisions.choice import Chosen
from bickford_sora.decisions.headroom import Room
from bickford_sora.decisions.quotation import Quotation
from bickford_sora.decisions.request import ParsedRequest, create_request
from bickford_sora.decisions.rules.entries import Effect
from bickford_sora.http import asking, documentation
from bickford_sora.http.documentation import ErrorObject
from bickford_sora.http.house import Order, TheOrder, authenticated
from bickford_sora.http.roles import ASKS
from ledger.events import Quote as Price
from ledger.events import VerdictWarning
from ledger.spend import Window

router = APIRouter(
    prefix="/v1/videos",
    tags=["videos"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
)


class QuoteDecision(BaseModel):
    """What policy says."""

    effect: Effect
    policy_hash: str
    decided_by: str | None
    """The rule that decides, or `policy.default`."""
    rules: list[str]
    """All that matched; a budget that stands in the way is among them."""
    warnings: list[VerdictWarning]


class QuoteBudget(BaseModel):
    """What a budget has left for the render. Numbers are in millionths of its currency, in renders or in seconds."""

    id: str
    scope: str
    window: Window
    period: str
    unit: str
    """`renders`, `seconds` or a currency."""
    hard: bool
    closed: bool
    """Whether it was overrun, and takes nothing more until it is set again."""
    headroom: int
    headroom_after: int | None
    """Null where the render does not fit."""


class Quote(BaseModel):
    """What would be decided now. Nothing is recorded or set aside."""

    object: Literal["video.quote"] = "video.quote"
    accepted: bool
    """Whether it would be taken, if only to wait for an approver."""
    error: ErrorObject | None
    """Why it would not start, or what it would wait for."""
    model: str
    seconds: str
    size: str
    chosen_by_policy: list[Chosen]
    """Which of the three the policy chose."""
    renderer: str
    price: Price | None
    """Null where none is known."""
    decision: QuoteDecision
    budgets: list[QuoteBudget]
    """Every one that counts the render."""
    binding_budget: str | None
    """The one that stands in the way; where all hold, the one that would be the first to for more of the same."""


@router.post(
    "/quote",
    summary="Ask what a video would cost",
    dependencies=[ASKS],
    openapi_extra={"requestBody": documentation.CREATE["requestBody"]},
)
async def quote(request: Request, order: TheOrder) -> Quote:
    """Price, decision and headroom for the body of a create. Writes nothing; an Idempotency-Key is not looked at."""
    house = order.house
    order, parsed, _ = await asking.read_request(
        request, order, "quote", lambda form: create_request(form.fields, form.files)
    )
    return await asking.crossing_of(house, parsed).run(_quoted, order, parsed)


# What follows runs in the synchronous world, behind the crossing.


def _quoted(order: Order, parsed: ParsedRequest) -> Quote:
    return told_quote(order.house.quoting.quote(order.caller, parsed))


def told_quote(found: Quotation) -> Quote:
    """The quote as it is answered."""
    request, verdict, refusal = found.asked.request, found.verdict, found.refusal
    return Quote(
        accepted=found.is_accepted,
        error=ErrorObject.model_validate(quotas.refused(refusal).body()["error"]) if refusal else None,
        model=request.model,
        seconds=request.seconds,
        size=request.size,
        chosen_by_policy=[*found.asked.chosen],
        renderer=found.asked.destination.offer.renderer,
        price=found.price,
        decision=QuoteDecision(
            effect=found.effect,
            policy_hash=verdict.policy_hash,
            decided_by=verdict.decided_by,
            rules=[*verdict.rules],
            warnings=[*verdict.warnings],
        ),
        budgets=_budgets(found.rooms),
        binding_budget=found.binding_budget,
    )


def _budgets(rooms: Sequence[Room]) -> list[QuoteBudget]:
    return [
        QuoteBudget(
            id=each.budget.budget_id,
            scope=each.budget.scope,
            window=each.budget.window,
            period=each.period,
            unit=each.budget.unit,
            hard=each.budget.hard,
            closed=each.is_closed,
            headroom=each.before,
            headroom_after=each.after,
        )
        for each in rooms
    ]

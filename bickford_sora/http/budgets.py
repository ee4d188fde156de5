"""`/v1/budgets`: the caps renders are held to, and what is left of them. Not in the protocol; in its manner."""

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.budgets import BudgetNow
from bickford_sora.decisions.budget_setting import BudgetAsked
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ADMINISTERS, READS
from ledger.events import Money
from ledger.spend import RENDERS, SECONDS, Unit, Window

BUDGET_BYTES_MAX = 16 * 1024
"""Largest request body in bytes."""

router = APIRouter(
    prefix="/v1/budgets",
    tags=["budgets"],
    dependencies=[Depends(authenticated)],
    responses=REFUSALS,
)


class Budget(BaseModel):
    """A cap, and how much of it is used in its present period."""

    id: str
    object: Literal["budget"] = "budget"
    scope: str
    window: Window
    unit: Unit
    cap: Money | None
    """Of money."""
    cap_count: int | None
    """Of renders, or of seconds of video."""
    hard: bool
    thresholds: list[int]
    period: str
    """The day or month (in the tenant's time zone) or the minute (in UTC) it is now, else the window's name."""
    used: int
    """In millionths of the cap's currency, in renders or in seconds, as `headroom`."""
    headroom: int
    closed: bool
    """Whether it was overrun, and takes nothing more until it is set again."""


class BudgetList(BaseModel):
    """All budgets the caller may see."""

    object: Literal["list"] = "list"
    data: list[Budget]


class BudgetRemoved(BaseModel):
    """The answer to a removal."""

    id: str
    object: Literal["budget.deleted"] = "budget.deleted"
    deleted: Literal[True] = True


@router.get("", summary="List budgets", dependencies=[READS])
async def list_all(house: TheHouse, caller: TheCaller) -> BudgetList:
    """The budgets of the project and of the tenant; of every scope for whoever spans the tenant."""
    return await house.crossing.run(
        lambda: BudgetList(data=[budget_object(each) for each in house.budgets.all(caller)])
    )


@router.get("/{budget_id}", summary="Retrieve a budget", dependencies=[READS])
async def retrieve(budget_id: str, house: TheHouse, caller: TheCaller) -> Budget:
    """The budget as it is now."""
    return await house.crossing.run(lambda: budget_object(house.budgets.find(caller, budget_id)))


@router.put(
    "/{budget_id}",
    summary="Set a budget",
    dependencies=[ADMINISTERS],
    openapi_extra=json_body({**BudgetAsked.model_json_schema(), "additionalProperties": False}),
)
async def set_one(budget_id: str, request: Request, order: TheOrder) -> Budget:
    """Makes the budget, or replaces it. It holds for the next decision; what is set aside already stays."""
    fields = await _fields(request, order.house)
    return await order.house.crossing.run(_set, order, budget_id, fields)


@router.delete("/{budget_id}", summary="Remove a budget", dependencies=[ADMINISTERS])
async def remove(budget_id: str, order: TheOrder) -> BudgetRemoved:
    """The budget holds no longer. Its facts stay."""
    return await order.house.crossing.run(_removed, order, budget_id)


async def _fields(request: Request, house: House) -> dict[str, object]:
    return await read_json(request, bytes_max=BUDGET_BYTES_MAX, silence_s=house.limits.body_silence_s)


# What follows runs in the synchronous world, behind the crossing.


def _set(order: Order, budget_id: str, fields: dict[str, object]) -> Budget:
    return budget_object(order.house.budgets.set(order.caller, budget_id, fields, origin=order.origin))


def _removed(order: Order, budget_id: str) -> BudgetRemoved:
    order.house.budgets.remove(order.caller, budget_id, origin=order.origin)
    return BudgetRemoved(id=budget_id)


def budget_object(now: BudgetNow) -> Budget:
    """The budget as it is answered."""
    budget = now.budget
    counts: Unit | None = "renders" if budget.unit == RENDERS else "seconds" if budget.unit == SECONDS else None
    return Budget(
        id=budget.budget_id,
        scope=budget.scope,
        window=budget.window,
        unit=counts or "money",
        cap=None if counts else Money(amount_micro=budget.cap, currency=budget.unit),
        cap_count=budget.cap if counts else None,
        hard=budget.hard,
        thresholds=[*budget.thresholds],
        period=now.period,
        used=now.used,
        headroom=now.headroom,
        closed=now.is_closed,
    )

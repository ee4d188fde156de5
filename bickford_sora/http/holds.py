"""`/v1/holds`: legal holds, which keep what they cover. Not in the protocol; in its manner."""

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.decisions.holds import HoldAsked, LiftAsked
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ADMINISTERS, OVERSEES
from ledger.events.erasure import HoldScope
from ledger.holds import Hold as Standing

HOLD_BYTES_MAX = 16 * 1024
"""Largest request body in bytes."""

router = APIRouter(prefix="/v1/holds", tags=["holds"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class Hold(BaseModel):
    """A legal hold that is in force, or (in the answer to its lifting) was."""

    id: str
    object: Literal["hold"] = "hold"
    scope: HoldScope
    subject: str | None
    """Null: the whole tenant."""
    reason: str | None
    """Null once it was erased."""
    placed_at: int
    """Unix seconds."""
    placed_with: str
    """Public id of the API key it was placed with."""


class HoldList(BaseModel):
    """All legal holds in force, in the order they were placed."""

    object: Literal["list"] = "list"
    data: list[Hold]


_PLACED = json_body({**HoldAsked.model_json_schema(), "additionalProperties": False})
_LIFTED = json_body({**LiftAsked.model_json_schema(), "additionalProperties": False})


@router.get("", summary="List legal holds", dependencies=[OVERSEES])
async def list_all(house: TheHouse, caller: TheCaller) -> HoldList:
    """The holds in force."""
    return await house.crossing.run(
        lambda: HoldList(data=[_object(house, each) for each in house.legal_holds.all(caller)])
    )


@router.post("", summary="Place a legal hold", dependencies=[ADMINISTERS], openapi_extra=_PLACED)
async def place(request: Request, order: TheOrder) -> Hold:
    """From now on nothing it covers is deleted, expired, purged or erased."""
    fields = await _fields(request, order.house)
    return await order.house.crossing.run(_placed, order, fields)


@router.post("/{hold_id}/lift", summary="Lift a legal hold", dependencies=[ADMINISTERS], openapi_extra=_LIFTED)
async def lift(hold_id: str, request: Request, order: TheOrder) -> Hold:
    """What it kept goes its way again, unless another hold keeps it."""
    fields = await _fields(request, order.house)
    return await order.house.crossing.run(_lifted, order, hold_id, fields)


async def _fields(request: Request, house: House) -> dict[str, object]:
    return await read_json(request, bytes_max=HOLD_BYTES_MAX, silence_s=house.limits.body_silence_s)


# What follows runs in the synchronous world, behind the crossing.


def _placed(order: Order, fields: dict[str, object]) -> Hold:
    return _object(order.house, order.house.legal_holds.place(order.caller, fields, origin=order.origin))


def _lifted(order: Order, hold_id: str, fields: dict[str, object]) -> Hold:
    return _object(order.house, order.house.legal_holds.lift(order.caller, hold_id, fields, origin=order.origin))


def _object(house: House, hold: Standing) -> Hold:
    return Hold(
        id=hold.placed.hold_id,
        scope=hold.placed.scope,
        subject=hold.placed.subject,
        reason=house.legal_holds.reason(hold),
        placed_at=int(hold.placed_at.timestamp()),
        placed_with=hold.placed_with,
    )

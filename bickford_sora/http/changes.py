"""`/v1/changes`: changes of what governs that another admin has to agree to. Not in the protocol; in its manner."""

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from bickford_sora.decisions.wrong import invalid
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ADMINISTERS, OVERSEES
from ledger.changes import Change as State

ANSWER_BYTES_MAX = 1_024
"""Largest request body in bytes."""

router = APIRouter(prefix="/v1/changes", tags=["changes"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class Agreement(BaseModel):
    """What the other admin says."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    decision: Literal["approve", "deny"]


class Change(BaseModel):
    """A change that takes four eyes."""

    id: str
    object: Literal["change"] = "change"
    state: Literal["proposed", "approved", "denied", "made"]
    kind: str
    subject: str
    summary: str
    proposer: str
    """Opaque id."""
    proposed_with: str
    """Public id of the API key it was proposed with."""
    proposed_at: int
    """Unix seconds."""
    expires_at: int
    approver: str | None


@router.get("/{change_id}", summary="Retrieve a change", dependencies=[OVERSEES])
async def retrieve(change_id: str, house: TheHouse, caller: TheCaller) -> Change:
    """The change as it is now."""
    return await house.crossing.run(lambda: _object(house.four_eyes.find(caller, change_id)))


@router.post(
    "/{change_id}",
    summary="Approve or deny a change",
    dependencies=[ADMINISTERS],
    openapi_extra=json_body({**Agreement.model_json_schema(), "additionalProperties": False}),
)
async def answer(change_id: str, request: Request, order: TheOrder) -> Change:
    """The other admin's answer. Once approved, the request that proposed it makes the change when it is sent again."""
    limits = order.house.limits
    said = _read(await read_json(request, bytes_max=ANSWER_BYTES_MAX, silence_s=limits.body_silence_s))
    agrees = said.decision == "approve"
    house = order.house
    return await house.crossing.run(
        lambda: _object(house.four_eyes.answer(order.caller, change_id, agrees=agrees, origin=order.origin))
    )


def _read(fields: dict[str, object]) -> Agreement:
    try:
        return Agreement.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def _object(change: State) -> Change:
    proposed = change.proposed
    return Change(
        id=proposed.change_id,
        state=change.state,
        kind=proposed.kind,
        subject=proposed.subject,
        summary=proposed.summary,
        proposer=proposed.proposer,
        proposed_with=change.proposed_with,
        proposed_at=int(change.proposed_at.timestamp()),
        expires_at=int(proposed.expires_at.timestamp()),
        approver=change.approver,
    )

"""`/v1/erasures`: what is erased for good. Not in the protocol; in its manner."""

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.decisions.erasure import ErasureAsked
from bickford_sora.erasing import Standing
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import Order, TheOrder, authenticated
from bickford_sora.http.roles import ADMINISTERS
from ledger.events.erasure import SubjectKind

ERASURE_BYTES_MAX = 16 * 1024
"""Largest request body in bytes."""

router = APIRouter(prefix="/v1/erasures", tags=["erasures"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class Erasure(BaseModel):
    """How an erasure stands."""

    object: Literal["erasure"] = "erasure"
    subject: str
    """The video's id, or the requester's opaque one."""
    kind: SubjectKind
    unreadable: bool
    """Whether its key is destroyed: from then on no text of it can be read."""
    renders_left: int
    """Renders that are not recorded as erased yet."""
    files_left: int
    """Renders whose files workers still have to remove, here or at the renderer."""
    erased_at: int | None
    """Unix seconds; null while renders are left."""


@router.post(
    "",
    summary="Erase a render or a requester",
    dependencies=[ADMINISTERS],
    openapi_extra=json_body({**ErasureAsked.model_json_schema(), "additionalProperties": False}),
)
async def erase(request: Request, order: TheOrder) -> Erasure:
    """Destroys the key, for good. Asked again, it says how far workers are with the files."""
    limits = order.house.limits
    fields = await read_json(request, bytes_max=ERASURE_BYTES_MAX, silence_s=limits.body_silence_s)
    return await order.house.making.run(_erased, order, fields)


def _erased(order: Order, fields: dict[str, object]) -> Erasure:
    return _object(order.house.erasing.erase(order.caller, fields, origin=order.origin))


def _object(standing: Standing) -> Erasure:
    return Erasure(
        subject=standing.subject,
        kind=standing.kind,
        unreadable=standing.is_unreadable,
        renders_left=standing.renders_left,
        files_left=standing.files_left,
        erased_at=int(standing.erased_at.timestamp()) if standing.erased_at else None,
    )

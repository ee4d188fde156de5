"""What callers write down in their own threads."""

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError

from bickford_sora.decisions.wrong import VALUE_CHARS_SHOWN_MAX
from bickford_sora.errors import InvalidRequest
from bickford_sora.http.bodies import read_body
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.forms import json_object
from bickford_sora.http.house import TheCaller, TheHouse, TheUndertaking, authenticated
from bickford_sora.http.roles import ASKS
from bickford_sora.observations import Observation

OBSERVATION_BYTES_MAX = 256 * 1024

router = APIRouter(prefix="/v1/threads", tags=["threads"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class Observed(BaseModel):
    """The observation is in the ledger."""

    object: Literal["thread.observation"] = "thread.observation"
    thread_id: str


@router.post(
    "/{thread_id}/observations",
    status_code=201,
    summary="Record what a caller saw of a video",
    dependencies=[ASKS],
    openapi_extra=json_body(Observation.model_json_schema()),
)
async def observe(
    thread_id: str, request: Request, house: TheHouse, caller: TheCaller, undertaking: TheUndertaking
) -> Observed:
    """Appends one fact to the caller's thread. It is kept and seen, and never moves a render."""
    body = await read_body(request, bytes_max=OBSERVATION_BYTES_MAX, silence_s=house.limits.body_silence_s)
    observation = _observation(body)
    origin = undertaking.origin(caller)
    await house.crossing.run(house.observations.record, caller, thread_id, observation, origin=origin)
    return Observed(thread_id=thread_id)


def _observation(body: bytes) -> Observation:
    try:
        return Observation.model_validate(json_object(body))
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"])[:VALUE_CHARS_SHOWN_MAX]
        code = "unknown_parameter" if first["type"] == "extra_forbidden" else "invalid_value"
        raise InvalidRequest(f"Invalid value for {param!r}: {first['msg']}.", code=code, param=param) from None

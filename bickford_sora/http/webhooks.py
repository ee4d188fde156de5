"""Where renderers call back."""

from typing import get_args

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from bickford_sora.http import documentation
from bickford_sora.http.bodies import read_body
from bickford_sora.http.house import house_of, undertaking_of
from bickford_sora.webhook_intake import Status
from bickford_sora.webhook_signatures import WEBHOOK_BODY_BYTES_MAX

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documentation.REFUSALS)


class Received(BaseModel):
    """What became of a webhook. Both are an acknowledgement."""

    status: Status


_ANSWERS = {status: Received(status=status).model_dump_json() for status in get_args(Status)}


@router.post(
    "/{renderer}",
    summary="Receive a renderer's webhook, signed by Standard Webhooks",
    response_model=Received,
    openapi_extra=documentation.WEBHOOK,
)
async def receive(renderer: str, request: Request) -> Response:
    """Records the webhook once and acknowledges it. The renderer is asked for the truth afterwards."""
    house, undertaking = house_of(request), undertaking_of(request)
    body = await read_body(request, bytes_max=WEBHOOK_BODY_BYTES_MAX, silence_s=house.limits.body_silence_s)
    # In the event loop: handing so little to a thread takes longer than doing it.
    receipt = house.webhooks.checked(
        renderer, request.headers, body, correlation=undertaking.id, trace=undertaking.trace
    )
    status = await house.receiving.run(receipt)
    house.metrics.counts.webhook(status)
    return Response(_ANSWERS[status], media_type="application/json")

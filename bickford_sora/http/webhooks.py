"""Where renderers call back.

Thousands come in a second when a renderer makes up for what it could not send, and each waits for its answer. So the
route is described as every other is, and answered without what the framework does for others: that takes five times as
long as taking in a webhook (docs/adr/0036-webhooks-in-bulk.md). Those that came whole come in by `webhook_taker`.
"""

from collections.abc import Iterable, Mapping
from typing import get_args

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.datastructures import Headers

from bickford_sora.http import documentation
from bickford_sora.http.bodies import read_body
from bickford_sora.http.house import Undertaking, house_of, undertaking_of
from bickford_sora.http.undispatched import add_first
from bickford_sora.webhook_intake import Status, Webhook
from bickford_sora.webhook_signatures import WEBHOOK_BODY_BYTES_MAX


class Received(BaseModel):
    """What became of a webhook. Both are an acknowledgement."""

    status: Status


PREFIX = "/webhooks/"
ROUTE = PREFIX + "{renderer}"
_SIGNED = b"webhook-"
"""What the names of the headers begin with that a signature needs."""
ANSWERS: Mapping[Status, Response] = {
    status: Response(Received(status=status).model_dump_json(), media_type="application/json")
    for status in get_args(Status)
}


async def receive_webhook(request: Request, renderer: str) -> Response:
    """Records the webhook once and acknowledges it. The renderer is asked for the truth afterwards."""
    house, undertaking = house_of(request), undertaking_of(request)
    body = await read_body(request, bytes_max=WEBHOOK_BODY_BYTES_MAX, silence_s=house.limits.body_silence_s)
    # Checked and recorded with those that come meanwhile: what is done again and again in a row takes half as long.
    status = await house.receiving.run(webhook_of(renderer, request.headers.raw, body, undertaking))
    house.metrics.counts.webhook(status)
    return ANSWERS[status]


def webhook_of(renderer: str, headers: Iterable[tuple[bytes, bytes]], body: bytes, undertaking: Undertaking) -> Webhook:
    """A webhook as it came in, with those of its headers that matter to it."""
    signed = Headers(raw=[each for each in headers if each[0].startswith(_SIGNED)])
    return Webhook(renderer, signed, body, undertaking.id, undertaking.trace)


def add_to(router: APIRouter) -> None:
    """Adds the route."""
    add_first(
        router,
        ROUTE,
        receive_webhook,
        summary="Receive a renderer's webhook, signed by Standard Webhooks",
        response_model=Received,
        tags=["webhooks"],
        responses=documentation.REFUSALS,
        openapi_extra=documentation.WEBHOOK,
    )

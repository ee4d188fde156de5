"""Where renderers call back.

Thousands come in a second when a renderer makes up for what it could not send, and each waits for its answer. So the
route is described as every other is, and answered without what the framework does for others: that takes five times as
long as taking in a webhook (docs/adr/0036-webhooks-in-bulk.md).
"""

from http import HTTPMethod
from typing import get_args

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from bickford_sora.http import documentation
from bickford_sora.http.bodies import read_body
from bickford_sora.http.house import house_of, undertaking_of
from bickford_sora.webhook_intake import Status
from bickford_sora.webhook_signatures import WEBHOOK_BODY_BYTES_MAX


class Received(BaseModel):
    """What became of a webhook. Both are an acknowledgement."""

    status: Status


_ANSWERS = {
    status: Response(Received(status=status).model_dump_json(), media_type="application/json")
    for status in get_args(Status)
}


class _Undispatched(APIRoute):
    """A route whose handler gets the request as it is: no dependencies, no validation, no response model."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a POST; anything else is refused as it is elsewhere."""
        if scope["method"] != HTTPMethod.POST:
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(scope["path_params"]["renderer"], Request(scope, receive))
        await response(scope, receive, send)


async def receive_webhook(renderer: str, request: Request) -> Response:
    """Records the webhook once and acknowledges it. The renderer is asked for the truth afterwards."""
    house, undertaking = house_of(request), undertaking_of(request)
    body = await read_body(request, bytes_max=WEBHOOK_BODY_BYTES_MAX, silence_s=house.limits.body_silence_s)
    # In the event loop: handing so little to a thread takes longer than doing it.
    receipt = house.webhooks.checked(
        renderer, request.headers, body, correlation=undertaking.id, trace=undertaking.trace
    )
    status = await house.receiving.run(receipt)
    house.metrics.counts.webhook(status)
    return _ANSWERS[status]


def add_to(router: APIRouter) -> None:
    """Adds the route itself, before all others: what comes before it is tried for each webhook."""
    router.add_api_route(
        "/webhooks/{renderer}",
        receive_webhook,
        methods=[HTTPMethod.POST],
        summary="Receive a renderer's webhook, signed by Standard Webhooks",
        response_model=Received,
        tags=["webhooks"],
        responses=documentation.REFUSALS,
        openapi_extra=documentation.WEBHOOK,
        route_class_override=_Undispatched,
    )
    router.routes.insert(0, router.routes.pop())

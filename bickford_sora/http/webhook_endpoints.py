"""`/v1/webhook_endpoints`: whom to tell of what happens to this project's renders."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.deliveries import EVENT_TYPES
from bickford_sora.endpoints import WithSecret
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import House, TheCaller, TheHouse, TheUndertaking, authenticated
from bickford_sora.http.roles import ADMINISTERS, OVERSEES, READS
from ledger.endpoints import Endpoint
from ledger.envelope import Sealed
from ledger.keys import Keys
from projections.endpoints import DeliveryRow, EndpointRow

ENDPOINT_BYTES_MAX = 64 * 1024
"""Largest request body in bytes."""

router = APIRouter(prefix="/v1", tags=["webhook endpoints"], dependencies=[Depends(authenticated)], responses=REFUSALS)


class WebhookEndpoint(BaseModel):
    """The protocol's endpoint object."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    created_at: int
    updated_at: int
    name: str
    """Empty, as is `url`, once its owner was erased."""
    url: str
    event_types: list[str]
    signing_secret_hint: str
    disabled_reason: str | None
    """Why it is told nothing any more; an update enables it again. Not in the protocol."""


class WebhookEndpointWithSecret(WebhookEndpoint):
    """The endpoint object with its secret, which is shown this once."""

    signing_secret: str


class WebhookEndpointPage(BaseModel):
    """The protocol's list page."""

    object: Literal["list"] = "list"
    data: list[WebhookEndpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedWebhookEndpoint(BaseModel):
    """The protocol's answer to a deletion."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: Literal[True] = True


class WebhookEndpointTest(BaseModel):
    """The protocol's answer to a test: the endpoint answered, with this status."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True] = True


class WebhookEventTypes(BaseModel):
    """The event types an endpoint can subscribe to."""

    object: Literal["list"] = "list"
    data: list[str]


class WebhookDelivery(BaseModel):
    """What became of telling an endpoint of one event."""

    id: str
    """The `webhook-id` it is known by."""
    object: Literal["webhook_endpoint.delivery"] = "webhook_endpoint.delivery"
    webhook_endpoint_id: str
    event_id: str
    event_type: str
    video_id: str | None
    status: str
    attempts: int
    status_code: int | None
    """Of the last answer."""
    code: str | None
    """What went wrong the last time."""
    created_at: int
    retry_at: int | None


class WebhookDeliveries(BaseModel):
    """The newest deliveries."""

    object: Literal["list"] = "list"
    data: list[WebhookDelivery]


_ASKED = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 255},
        "url": {"type": "string", "format": "uri", "maxLength": 2048},
        "event_types": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(EVENT_TYPES)}},
    },
    "additionalProperties": False,
}
_CREATE = json_body({**_ASKED, "required": ["event_types", "name", "url"]})
_UPDATE = json_body(_ASKED)
_ROTATE = json_body(
    {
        "type": "object",
        "properties": {"keep_old_secret_active_for_24_hours": {"type": "boolean", "default": False}},
        "additionalProperties": False,
    }
)
_TEST = json_body(
    {
        "type": "object",
        "properties": {"event_type": {"type": "string", "enum": list(EVENT_TYPES)}},
        "required": ["event_type"],
        "additionalProperties": False,
    }
)

Limit = Annotated[int, Query(ge=1, le=100)]


@router.post(
    "/webhook_endpoints", summary="Create a webhook endpoint", dependencies=[ADMINISTERS], openapi_extra=_CREATE
)
async def create(
    request: Request, house: TheHouse, caller: TheCaller, undertaking: TheUndertaking
) -> WebhookEndpointWithSecret:
    """Has this project's events sent to a URL. The answer alone shows the signing secret."""
    fields = await _fields(request, house)
    origin = undertaking.origin(caller)
    return with_secret(house, await house.crossing.run(house.endpoints.create, caller, fields, origin=origin))


@router.get("/webhook_endpoints", summary="List this project's webhook endpoints", dependencies=[OVERSEES])
async def list_page(
    house: TheHouse, caller: TheCaller, limit: Limit = 20, after: str | None = None
) -> WebhookEndpointPage:
    """A page, newest first. Shows what was recorded before the call, or what there is after a bounded wait."""
    return await house.listing.run(found_page, house, caller, limit, after)


@router.get("/webhook_endpoints/{webhook_endpoint_id}", summary="Retrieve a webhook endpoint", dependencies=[OVERSEES])
async def retrieve(webhook_endpoint_id: str, house: TheHouse, caller: TheCaller) -> WebhookEndpoint:
    """The endpoint as it is now."""
    return await house.crossing.run(_retrieve, house, caller, webhook_endpoint_id)


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}",
    summary="Change a webhook endpoint",
    dependencies=[ADMINISTERS],
    openapi_extra=_UPDATE,
)
async def update(
    webhook_endpoint_id: str, request: Request, house: TheHouse, caller: TheCaller, undertaking: TheUndertaking
) -> WebhookEndpoint:
    """Changes what is given. An endpoint that was disabled is enabled again."""
    fields = await _fields(request, house)
    origin = undertaking.origin(caller)
    updated = await house.crossing.run(house.endpoints.update, caller, webhook_endpoint_id, fields, origin=origin)
    return _shown(house.keys, updated)


@router.delete(
    "/webhook_endpoints/{webhook_endpoint_id}", summary="Delete a webhook endpoint", dependencies=[ADMINISTERS]
)
async def delete(
    webhook_endpoint_id: str, house: TheHouse, caller: TheCaller, undertaking: TheUndertaking
) -> DeletedWebhookEndpoint:
    """Removes the endpoint; nothing more is sent to it."""
    origin = undertaking.origin(caller)
    await house.crossing.run(house.endpoints.delete, caller, webhook_endpoint_id, origin=origin)
    return DeletedWebhookEndpoint(id=webhook_endpoint_id)


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}/rotate_secret",
    summary="Make a new secret",
    dependencies=[ADMINISTERS],
    openapi_extra=_ROTATE,
)
async def rotate_secret(
    webhook_endpoint_id: str, request: Request, house: TheHouse, caller: TheCaller, undertaking: TheUndertaking
) -> WebhookEndpointWithSecret:
    """Replaces the signing secret. On request both sign for another 24 hours."""
    fields = await _fields(request, house)
    origin = undertaking.origin(caller)
    return with_secret(
        house,
        await house.crossing.run(house.endpoints.rotate_secret, caller, webhook_endpoint_id, fields, origin=origin),
    )


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}/test",
    summary="Send a sample event",
    dependencies=[ADMINISTERS],
    openapi_extra=_TEST,
)
async def test(webhook_endpoint_id: str, request: Request, house: TheHouse, caller: TheCaller) -> WebhookEndpointTest:
    """Sends a sample event now and says with which status the endpoint answered."""
    fields = await _fields(request, house)
    event_type, status = await house.calling.run(house.endpoints.test, caller, webhook_endpoint_id, fields)
    return WebhookEndpointTest(webhook_endpoint_id=webhook_endpoint_id, event_type=event_type, status_code=status)


@router.get(
    "/webhook_endpoints/{webhook_endpoint_id}/deliveries",
    summary="List the newest deliveries",
    dependencies=[OVERSEES],
)
async def deliveries(
    webhook_endpoint_id: str, house: TheHouse, caller: TheCaller, limit: Limit = 20
) -> WebhookDeliveries:
    """What was sent to an endpoint, newest first, and what came of it. Not in the protocol."""
    return await house.listing.run(found_deliveries, house, caller, webhook_endpoint_id, limit)


@router.get("/webhook_event_types", summary="List the event types", dependencies=[READS])
async def event_types() -> WebhookEventTypes:
    """What an endpoint can subscribe to."""
    return WebhookEventTypes(data=list(EVENT_TYPES))


async def _fields(request: Request, house: House) -> dict[str, object]:
    return await read_json(request, bytes_max=ENDPOINT_BYTES_MAX, silence_s=house.limits.body_silence_s)


# What follows runs in the synchronous world, behind the crossing.


def found_page(house: House, caller: Caller, limit: int, after: str | None) -> WebhookEndpointPage:
    """A page of the endpoints that the caller reads."""
    house.wait_for_endpoints(house.limits.projection_wait_s)
    page = house.endpoints.page(caller, after, limit)
    data = [_shown(house.keys, row) for row in page.endpoints]
    return WebhookEndpointPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.has_more,
    )


def _retrieve(house: House, caller: Caller, endpoint_id: str) -> WebhookEndpoint:
    return _shown(house.keys, house.endpoints.find(caller, endpoint_id))


def found_deliveries(house: House, caller: Caller, endpoint_id: str, limit: int) -> WebhookDeliveries:
    """The newest deliveries to an endpoint. Raises NotFound."""
    house.wait_for_endpoints(house.limits.projection_wait_s)
    return WebhookDeliveries(data=[_delivery(row) for row in house.endpoints.deliveries(caller, endpoint_id, limit)])


def _shown(keys: Keys, endpoint: Endpoint | EndpointRow) -> WebhookEndpoint:
    name, url = Sealed(endpoint.name), Sealed(endpoint.url)
    opened = keys.open_all([name, url])
    return WebhookEndpoint(
        id=endpoint.endpoint_id,
        created_at=int(endpoint.created_at.timestamp()),
        updated_at=int(endpoint.updated_at.timestamp()),
        name=opened[name] or "",
        url=opened[url] or "",
        event_types=list(endpoint.event_types),
        signing_secret_hint=endpoint.secret_hint,
        disabled_reason=endpoint.disabled,
    )


def with_secret(house: House, made: WithSecret) -> WebhookEndpointWithSecret:
    """An endpoint with the secret that is shown this once."""
    shown = _shown(house.keys, made.endpoint)
    return WebhookEndpointWithSecret(**shown.model_dump(), signing_secret=made.secret)


def _delivery(row: DeliveryRow) -> WebhookDelivery:
    return WebhookDelivery(
        id=row.delivery_id,
        webhook_endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_type=row.event_type,
        video_id=row.video_id,
        status=row.state,
        attempts=row.attempts,
        status_code=row.http_status,
        code=row.code,
        created_at=int(row.scheduled_at.timestamp()),
        retry_at=int(row.retry_at.timestamp()) if row.retry_at else None,
    )

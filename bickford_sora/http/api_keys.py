"""`/v1/api_keys`: who may do what in a project. Not in the protocol; in its manner."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from bickford_sora.api_keys import WithSecret
from bickford_sora.decisions.api_keys import Delegation, NewKey, Rotation
from bickford_sora.decisions.caller import ROLES, Caller
from bickford_sora.http.bodies import read_json
from bickford_sora.http.documentation import REFUSALS, json_body
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ADMINISTERS, APPROVES, OVERSEES
from ledger.api_keys import ApiKey as State
from ledger.api_keys import Status, status
from ledger.envelope import Sealed
from ledger.events.governance import Role
from projections.api_keys import ApiKeyRow

API_KEY_BYTES_MAX = 16 * 1024
"""Largest request body in bytes."""
_NOT_KEPT = {"cache-control": "no-store"}

router = APIRouter(
    prefix="/v1/api_keys",
    tags=["API keys"],
    dependencies=[Depends(authenticated)],
    responses=REFUSALS,
)


class ApiKey(BaseModel):
    """An issued API key. The key itself is not shown."""

    id: str
    """Its public id: the `actor` of what is done with it."""
    object: Literal["api_key"] = "api_key"
    created_at: int
    """Unix seconds, as the other two moments."""
    name: str | None
    """Null once its owner was erased."""
    project: str
    requester: str
    roles: list[Role]
    spans_tenant: bool
    may_assert_requester: bool
    status: Status
    expires_at: int | None
    """From when on it is not accepted; null: it has no end."""
    revoked_at: int | None
    replaces: str | None
    replaced_by: str | None
    approver_until: int | None
    """Until when it may approve in another one's place; null: nobody asked it to."""


class ApiKeyWithSecret(ApiKey):
    """The key object with the key, which is shown this once."""

    secret: str


class ApiKeyPage(BaseModel):
    """A page in the protocol's form."""

    object: Literal["list"] = "list"
    data: list[ApiKey]
    first_id: str | None
    last_id: str | None
    has_more: bool


def _documented(model: type[BaseModel]) -> dict[str, Any]:
    return json_body({**model.model_json_schema(), "additionalProperties": False})


@router.post("", summary="Issue an API key", dependencies=[ADMINISTERS], openapi_extra=_documented(NewKey))
async def issue(request: Request, response: Response, order: TheOrder) -> ApiKeyWithSecret:
    """A new key of this project, or of another one of the tenant. The answer alone shows it."""
    fields = await _fields(request, order.house)
    response.headers.update(_NOT_KEPT)
    return await order.house.crossing.run(_issued, order, fields)


@router.get("", summary="List API keys", dependencies=[OVERSEES])
async def list_page(
    house: TheHouse,
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> ApiKeyPage:
    """A page of the keys this one may manage, the last issued first, also those that are not accepted any more."""
    return await house.listing.run(found_page, house, caller, limit, after)


@router.get("/{key_id}", summary="Retrieve an API key", dependencies=[OVERSEES])
async def retrieve(key_id: str, house: TheHouse, caller: TheCaller) -> ApiKey:
    """The key as it is now."""
    return await house.crossing.run(_found, house, caller, key_id)


@router.post(
    "/{key_id}/rotate",
    summary="Replace an API key",
    dependencies=[ADMINISTERS],
    openapi_extra=_documented(Rotation),
)
async def rotate(key_id: str, request: Request, response: Response, order: TheOrder) -> ApiKeyWithSecret:
    """A successor that may do the same. The old key is accepted for another `overlap_s` seconds, a day by default."""
    fields = await _fields(request, order.house)
    response.headers.update(_NOT_KEPT)
    return await order.house.crossing.run(_rotated, order, key_id, fields)


@router.post(
    "/{key_id}/delegate",
    summary="Let another key approve for a while",
    dependencies=[APPROVES],
    openapi_extra=_documented(Delegation),
)
async def delegate(key_id: str, request: Request, order: TheOrder) -> ApiKey:
    """An approver has another key of the project approve in its place. Sent again, until then instead."""
    fields = await _fields(request, order.house)
    return await order.house.crossing.run(_delegated, order, key_id, fields)


@router.delete("/{key_id}", summary="Revoke an API key", dependencies=[ADMINISTERS])
async def revoke(key_id: str, order: TheOrder) -> ApiKey:
    """Ends the key at once and for good; it is still listed."""
    return await order.house.crossing.run(_revoked, order, key_id)


async def _fields(request: Request, house: House) -> dict[str, object]:
    return await read_json(request, bytes_max=API_KEY_BYTES_MAX, silence_s=house.limits.body_silence_s)


# What follows runs in the synchronous world, behind the crossing.


def found_page(house: House, caller: Caller, limit: int, after: str | None) -> ApiKeyPage:
    """A page of the keys that the caller may manage. Raises NotFound."""
    house.wait_for_api_keys(house.limits.projection_wait_s)
    page = house.api_keys.page(caller, after, limit)
    data = _shown(house, *page.api_keys)
    return ApiKeyPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.has_more,
    )


def _found(house: House, caller: Caller, key_id: str) -> ApiKey:
    return _shown(house, house.api_keys.find(caller, key_id))[0]


def _issued(order: Order, fields: dict[str, object]) -> ApiKeyWithSecret:
    return with_secret(order.house, order.house.api_keys.issue(order.caller, fields, origin=order.origin))


def _rotated(order: Order, key_id: str, fields: dict[str, object]) -> ApiKeyWithSecret:
    return with_secret(order.house, order.house.api_keys.rotate(order.caller, key_id, fields, origin=order.origin))


def _delegated(order: Order, key_id: str, fields: dict[str, object]) -> ApiKey:
    keys = order.house.api_keys
    return _shown(order.house, keys.delegate(order.caller, key_id, fields, origin=order.origin))[0]


def _revoked(order: Order, key_id: str) -> ApiKey:
    return _shown(order.house, order.house.api_keys.revoke(order.caller, key_id, origin=order.origin))[0]


def _shown(house: House, *keys: State | ApiKeyRow) -> list[ApiKey]:
    names = house.keys.open_all([Sealed(key.name) for key in keys if key.name is not None])
    now = house.api_keys.recording.clock()
    return [_object(key, names[Sealed(key.name)] if key.name is not None else None, now) for key in keys]


def _object(key: State | ApiKeyRow, name: str | None, now: datetime) -> ApiKey:
    return ApiKey(
        id=key.key_id,
        created_at=int(key.issued_at.timestamp()),
        name=name,
        project=key.project,
        requester=key.requester,
        roles=[role for role in ROLES if role in key.roles],
        spans_tenant=key.spans_tenant,
        may_assert_requester=key.may_assert_requester,
        status=status(key.expires_at, key.revoked_at, now),
        expires_at=int(key.expires_at.timestamp()) if key.expires_at else None,
        revoked_at=int(key.revoked_at.timestamp()) if key.revoked_at else None,
        replaces=key.replaces,
        replaced_by=key.replaced_by,
        approver_until=int(key.approver_until.timestamp()) if key.approver_until else None,
    )


def with_secret(house: House, made: WithSecret) -> ApiKeyWithSecret:
    """A key with its secret, which is shown this once."""
    return ApiKeyWithSecret(**_shown(house, made.api_key)[0].model_dump(), secret=made.secret)

"""`/v1/policy`: the policy in force, those before it, and publishing another."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.rules.reading import POLICY_BYTES_MAX
from bickford_sora.http.bodies import read_body
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheCaller, TheHouse, TheUndertaking, authenticated
from bickford_sora.http.roles import ADMINISTERS, OVERSEES
from bickford_sora.policies import Version
from bickford_sora.recording import Origin

router = APIRouter(prefix="/v1/policy", tags=["policy"], dependencies=[Depends(authenticated)], responses=REFUSALS)

_FILE = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}


class Policy(BaseModel):
    """A policy, and when it came into force."""

    object: Literal["policy"] = "policy"
    policy_hash: str
    version: int
    """From 1; 0 is the built-in policy, until one is published."""
    published_at: int | None
    """Unix seconds."""
    published_by: str | None
    """Public id of the key it was published with."""


class PolicyWithText(Policy):
    """A policy with its file."""

    text: str


class PolicyVersions(BaseModel):
    """What was in force, newest first."""

    object: Literal["list"] = "list"
    data: list[Policy]


@router.post("", summary="Publish a policy", dependencies=[ADMINISTERS], openapi_extra=_FILE)
async def publish(
    request: Request, house: TheHouse, governor: TheCaller, undertaking: TheUndertaking
) -> PolicyWithText:
    """Puts a policy file in force. One that is wrong is refused with its lines, and what is in force stays so."""
    content = await read_body(request, bytes_max=POLICY_BYTES_MAX, silence_s=house.limits.body_silence_s)
    return await house.crossing.run(_published, house, governor, content, undertaking.origin(governor))


@router.get("", summary="See the policy in force", dependencies=[OVERSEES])
async def retrieve(house: TheHouse, caller: TheCaller) -> PolicyWithText:
    """The policy that decides now, with its file."""
    return await house.crossing.run(policy_in_force, house, caller)


@router.get("/versions", summary="See what was in force", dependencies=[OVERSEES])
async def versions(
    house: TheHouse, caller: TheCaller, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> PolicyVersions:
    """The policies that were published, newest first."""
    return await house.crossing.run(newest_versions, house, caller, limit)


# What follows runs in the synchronous world, behind the crossing.


def _published(house: House, governor: Caller, content: bytes, origin: Origin) -> PolicyWithText:
    return with_text(house.policies.publish(governor, content, origin))


def policy_in_force(house: House, caller: Caller) -> PolicyWithText:
    """The policy that decides now."""
    newest = house.policies.newest(caller.tenant)
    if newest is not None:
        return with_text(newest)
    built_in = house.policies.built_in
    return PolicyWithText(
        policy_hash=built_in.compiled.hash, version=0, published_at=None, published_by=None, text=built_in.compiled.text
    )


def newest_versions(house: House, caller: Caller, limit: int) -> PolicyVersions:
    """The policies that were published, newest first."""
    found = house.policies.versions(caller.tenant)[-limit:]
    return PolicyVersions(data=[shown(each) for each in reversed(found)])


def shown(version: Version) -> Policy:
    """A version as it is listed."""
    return Policy(
        policy_hash=version.policy_hash,
        version=version.version,
        published_at=int(version.published_at.timestamp()),
        published_by=version.published_by,
    )


def with_text(version: Version) -> PolicyWithText:
    """A version with its file."""
    return PolicyWithText(**shown(version).model_dump(), text=version.text)

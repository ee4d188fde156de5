"""What is asked of API keys, checked, and the facts it leads to. Pure.

A key is `bk_live_`, its tenant, and 32 random bytes in hex. Its public id is the beginning of its keyed hash, so the
stream of a presented key is known without looking for it; whoever presents another tenant's name finds nothing there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bickford_sora.decisions.caller import ROLES, SPANNING, Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import Conflicting, InvalidRequest, RoleMissing, Unauthorized
from ledger import streams
from ledger.api_keys import ApiKey
from ledger.envelope import Fact, Sealed
from ledger.events import KeyDelegated, KeyIssued, KeyRevoked, KeyRotated
from ledger.events.governance import Role

PREFIX = "bk_live_"
SECRET_BYTES = 32
"""Randomness in a key we make."""
PROJECT = "[a-z0-9][a-z0-9_-]{0,62}"
"""What can name a project."""
REQUESTER = "req-[0-9a-f]{16}(?:[0-9a-f]{16})?"
"""What a requester's opaque id is like: whoever has a key by half as many characters as whoever a key asks for."""
ANY_PROJECT = "*"
"""What a key is for that spans its tenant."""
API_KEYS_MAX = 500
"""API keys of one project that are accepted at a time.

Counted in the read model: requests at the very same time may pass it by a few, which harms nobody.
"""
NAME_CHARS_MAX = 255
OVERLAP_S = 24 * 3600
"""How long a rotated key is accepted beside its successor unless it is said otherwise, in seconds."""
OVERLAP_S_MAX = 30 * 24 * 3600
DELEGATION_S_MAX = 31 * 24 * 3600
"""Longest time the right to approve is delegated for, in seconds."""
EXPIRES_IN_S_MAX = 10 * 365 * 24 * 3600
"""Longest time a key that has an end is accepted, in seconds."""

_ID_CHARS = 16
_SECRET = re.compile(rf"{PREFIX}(?P<tenant>[a-z0-9-]+)_[0-9a-f]{{{2 * SECRET_BYTES}}}")


def _readable(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("it is text that can be read")
    return name


Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX), AfterValidator(_readable)]
ExpiresIn = Annotated[int, Field(ge=1, le=EXPIRES_IN_S_MAX)]


class NewKey(BaseModel):
    """A key somebody wants."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name
    roles: Annotated[list[Role], Field(min_length=1)] = ["requester"]
    project: Annotated[str, Field(pattern=f"^{PROJECT}$")] | None = None
    """None: the project of the key that asks."""
    spans_tenant: bool = False
    may_assert_requester: bool = False
    expires_in_s: ExpiresIn | None = None


class Rotation(BaseModel):
    """How a key is to be replaced."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)] = OVERLAP_S
    """How long the old key is accepted beside the new one."""
    expires_in_s: ExpiresIn | None = None
    """None: the new key lives as long as the old one was issued for."""


class Delegation(BaseModel):
    """For how long another key may approve."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    expires_in_s: Annotated[int, Field(ge=60, le=DELEGATION_S_MAX)]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key may do, and where."""

    project: str
    roles: tuple[Role, ...]
    spans_tenant: bool = False
    may_assert_requester: bool = False

    @classmethod
    def of(cls, key: ApiKey) -> "Grant":
        """What an issued key may do."""
        return cls(key.project, key.roles, key.spans_tenant, key.may_assert_requester)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A key that was just made, by its keyed hash."""

    tenant: str
    digest: str

    @property
    def key_id(self) -> str:
        """Its public id."""
        return key_id_of(self.digest)

    @property
    def stream(self) -> str:
        """Where its facts will be."""
        return streams.key(self.tenant, self.key_id)


def key_id_of(digest: str) -> str:
    """The public id of the key with this keyed hash."""
    return f"key_{digest[:_ID_CHARS]}"


def requester_of(digest: str) -> str:
    """The opaque id of whoever has the key with this keyed hash."""
    return f"req-{digest[:_ID_CHARS]}"


def secret_of(tenant: str, key: bytes) -> str:
    """The key as its owner gets it."""
    assert len(key) == SECRET_BYTES  # noqa: S101 - a programmer's mistake
    return f"{PREFIX}{tenant}_{key.hex()}"


def tenant_of(secret: str) -> str | None:
    """The tenant a presented key says it is of; None when it is no key that was issued."""
    match = _SECRET.fullmatch(secret)
    return match["tenant"] if match and streams.is_tenant(match["tenant"]) else None


Model = TypeVar("Model", NewKey, Rotation, Delegation)


def read_new(fields: Mapping[str, object]) -> NewKey:
    """The key somebody wants. Raises InvalidRequest naming what is wrong or missing."""
    asked = _read(NewKey, fields)
    if asked.spans_tenant and not set(asked.roles).intersection(SPANNING):
        raise InvalidRequest(
            "A key spans the tenant as 'auditor' or 'admin'; give it one of these roles.",
            code="invalid_value",
            param="spans_tenant",
        )
    return asked


def read_rotation(fields: Mapping[str, object]) -> Rotation:
    """How a key is to be replaced. Raises InvalidRequest naming what is wrong."""
    return _read(Rotation, fields)


def read_delegation(fields: Mapping[str, object]) -> Delegation:
    """For how long another key is to approve. Raises InvalidRequest naming what is wrong or missing."""
    return _read(Delegation, fields)


def granted(asked: NewKey, caller: Caller) -> Grant:
    """What the wanted key may do: its roles each once, in their order."""
    roles = tuple(role for role in ROLES if role in asked.roles)
    return Grant(asked.project or caller.project, roles, asked.spans_tenant, asked.may_assert_requester)


def check_grant(caller: Caller, grant: Grant) -> None:
    """Raises RoleMissing when a key reaches further than the caller, who would get hold of it, or take it away.

    An admin of a project has every role in it to give, an admin of the tenant every kind of key of that tenant.
    """
    if caller.everywhere and "admin" in caller.roles:
        return
    beyond = {
        "project": grant.project != caller.project,
        "spans_tenant": grant.spans_tenant,
        "may_assert_requester": grant.may_assert_requester and not caller.may_assert_requester,
    }
    for param, is_beyond in beyond.items():
        if is_beyond:
            raise RoleMissing(
                f"An admin of one project has to do with keys of that project alone; this one's {param!r} goes beyond. "
                "Ask an admin of the tenant.",
                code="key_exceeds_issuer",
                param=param,
            )


def check_room(there_are: int) -> None:
    """Raises Conflicting when a project has as many keys as it may have."""
    if there_are >= API_KEYS_MAX:
        raise Conflicting(
            f"A project has at most {API_KEYS_MAX} API keys in use. Revoke one first.", code="too_many_api_keys"
        )


def issued(
    caller: Caller, grant: Grant, fresh: Fresh, name: Sealed, now: datetime, *, expires_in_s: int | None
) -> Draft:
    """A new key, which is its own requester."""
    fact = KeyIssued(
        key_id=fresh.key_id,
        project=grant.project,
        requester=requester_of(fresh.digest),
        digest=fresh.digest,
        name=name,
        roles=grant.roles,
        spans_tenant=grant.spans_tenant,
        may_assert_requester=grant.may_assert_requester,
        expires_at=_after(now, expires_in_s),
    )
    return Draft(((fresh.stream, fact),), {**caller.heads, fresh.stream: 0})


def rotated(caller: Caller, key: ApiKey, fresh: Fresh, rotation: Rotation, now: datetime) -> Draft:
    """A successor that may do the same for the same requester, and the end of the old key, both or neither.

    Raises Conflicting for a key that has a successor already, or is not accepted any more.
    """
    if key.replaced_by is not None:
        raise Conflicting(
            f"This API key was rotated before. Rotate its successor, {key.replaced_by}.", code="api_key_rotated"
        )
    if key.status(now) != "active":
        raise Conflicting(f"This API key is {key.status(now)}. Issue a new one.", code="api_key_not_active")
    successor = KeyIssued(
        key_id=fresh.key_id,
        project=key.project,
        requester=key.requester,
        digest=fresh.digest,
        name=key.name,
        roles=key.roles,
        spans_tenant=key.spans_tenant,
        may_assert_requester=key.may_assert_requester,
        expires_at=_after(now, rotation.expires_in_s) or _as_long_again(key, now),
        replaces=key.key_id,
    )
    ends = KeyRotated(
        key_id=key.key_id,
        project=key.project,
        new_key_id=fresh.key_id,
        expires_at=now + timedelta(seconds=rotation.overlap_s),
    )
    facts: tuple[tuple[str, Fact], ...] = ((fresh.stream, successor), (key.stream, ends))
    return Draft(facts, {**caller.heads, fresh.stream: 0, key.stream: key.version})


def revoked(caller: Caller, key: ApiKey) -> Draft:
    """Ends the key at once. Revoking twice changes nothing."""
    if key.revoked_at is not None:
        return NOTHING
    fact = KeyRevoked(key_id=key.key_id, project=key.project)
    return Draft(((key.stream, fact),), {**caller.heads, key.stream: key.version})


def delegated(caller: Caller, key: ApiKey, delegation: Delegation, now: datetime) -> Draft:
    """Another key of the project may approve in the caller's place for a while; asked for again, until then instead.

    Raises RoleMissing for whoever approves in another one's place itself, and Conflicting for a key that is an
    approver's, or is not accepted any more.
    """
    if caller.approves_by_delegation:
        raise RoleMissing("What was delegated is not delegated further. Ask the approver.", code="role_missing")
    if "approver" in key.roles:
        raise Conflicting("This API key is an approver's already.", code="api_key_approves")
    if key.status(now) != "active":
        raise Conflicting(f"This API key is {key.status(now)}. Name another one.", code="api_key_not_active")
    until = now + timedelta(seconds=delegation.expires_in_s)
    fact = KeyDelegated(key_id=key.key_id, project=key.project, delegated_by=caller.key_id, expires_at=until)
    return Draft(((key.stream, fact),), {**caller.heads, key.stream: key.version})


def caller_of(key: ApiKey, now: datetime) -> Caller:
    """Whom the key stands for. Raises Unauthorized when it is not accepted any more."""
    check_accepted(key, now)
    stands_in = "approver" not in key.roles and key.approver_until is not None and now < key.approver_until
    return Caller(
        key.tenant,
        key.project,
        key.requester,
        key.key_id,
        frozenset({*key.roles, "approver"} if stands_in else key.roles),
        key.spans_tenant,
        key.may_assert_requester,
        approves_by_delegation=stands_in,
        key_head=(key.stream, key.version),
    )


def check_accepted(key: ApiKey, now: datetime) -> None:
    """Raises Unauthorized when the key is not accepted any more."""
    status = key.status(now)
    if status != "active":
        said = "was revoked" if status == "revoked" else "has expired"
        raise Unauthorized(f"This API key {said}. Use another one.", code="invalid_api_key")


def _read(model: type[Model], fields: Mapping[str, object]) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def _after(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def _as_long_again(key: ApiKey, now: datetime) -> datetime | None:
    return None if key.expires_at is None else now + (key.expires_at - key.issued_at)

"""Deciding to place and lift legal holds. Pure."""

import re
from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bickford_sora.decisions.api_keys import REQUESTER
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import Conflicting, NotFound, RoleMissing
from ledger.envelope import Sealed
from ledger.events import HoldLifted, HoldPlaced
from ledger.events.erasure import HoldScope
from ledger.holds import Hold, Holds

REASON_CHARS_MAX = 2_000
SUBJECT_CHARS_MAX = 255
NAMED_MAX = 5
"""Most ids a refusal names."""
HOLDS_MAX = 1_000
"""Most holds of a tenant in force at a time: whatever removes something reads them all."""


class HoldAsked(BaseModel):
    """What an admin wants kept, and why."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    scope: HoldScope
    subject: str | None = Field(default=None, min_length=1, max_length=SUBJECT_CHARS_MAX)
    """A video's id, a requester's opaque id or a project's name; not given for the whole tenant."""
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)
    """Kept sealed."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.subject is None) != (self.scope == "tenant"):
            raise ValueError("a hold names its subject, unless it covers the tenant")
        if self.scope == "requester" and re.fullmatch(REQUESTER, self.subject or "") is None:
            raise ValueError("a requester is named by its opaque id, req-…, as 'audit' shows it")
        return self


class LiftAsked(BaseModel):
    """Why a hold is lifted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)


def read(fields: object) -> HoldAsked:
    """The hold in a body. Raises InvalidRequest naming what is wrong."""
    try:
        return HoldAsked.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def read_lift(fields: object) -> LiftAsked:
    """The reason in a body. Raises InvalidRequest naming what is wrong."""
    try:
        return LiftAsked.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def check_manager(caller: Caller) -> None:
    """Raises RoleMissing: holds are the tenant's, whatever they cover."""
    if not caller.everywhere:
        raise RoleMissing("Legal holds take an admin's key that spans the tenant.", code="role_missing")


def sees(caller: Caller, hold: Hold) -> bool:
    """Whether a hold is shown to a caller: of the tenant's, a project's key sees those on its own project."""
    placed = hold.placed
    return caller.everywhere or (placed.scope == "project" and placed.subject == caller.project)


def placed(caller: Caller, holds: Holds, hold_id: str, asked: HoldAsked, reason: Sealed) -> Draft:
    """Places it. Raises Conflicting when there are too many."""
    if len(holds.standing) >= HOLDS_MAX:
        raise Conflicting(
            f"There are {HOLDS_MAX} legal holds already. Lift some, or place one that covers more.",
            code="too_many_holds",
        )
    fact = HoldPlaced(hold_id=hold_id, scope=asked.scope, subject=asked.subject, reason=reason)
    return Draft(((holds.stream, fact),), {**caller.heads, **holds.head})


def lifted(caller: Caller, holds: Holds, hold_id: str, reason: Sealed) -> Draft:
    """Lifts it. Raises NotFound when it is not in force."""
    find(holds, hold_id)
    return Draft(((holds.stream, HoldLifted(hold_id=hold_id, reason=reason)),), {**caller.heads, **holds.head})


def find(holds: Holds, hold_id: str) -> Hold:
    """A hold that is in force. Raises NotFound."""
    hold = holds.standing.get(hold_id)
    if hold is None:
        raise NotFound("No legal hold with this id is in force.", code="hold_not_found", param="hold_id")
    return hold


def check_free(holds: Iterable[str], *, param: str | None = None) -> None:
    """Raises Conflicting when there are holds: what they cover is kept."""
    named = [*holds]
    if named:
        raise Conflicting(
            f"A legal hold keeps this: {listed(named)}. Have it lifted first.", code="legal_hold", param=param
        )


def listed(named: list[str]) -> str:
    """The first few of these ids, in words."""
    more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
    return ", ".join(named[:NAMED_MAX]) + more

"""Deciding to erase a render or a requester, and recording that it was done. Pure."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.holds import listed
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import Conflicting, NotFound, RoleMissing
from ledger import streams
from ledger.envelope import Fact, Sealed
from ledger.erasures import Erasure
from ledger.events import ErasureDecided, RenderCancelled, SubjectErased
from ledger.events.erasure import Cause, Reason
from ledger.holds import Holds
from ledger.render import Render

REASON_CHARS_MAX = 2_000
SUBJECT_CHARS_MAX = 255


class ErasureAsked(BaseModel):
    """What an admin wants erased, and why."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    render: str | None = Field(default=None, max_length=SUBJECT_CHARS_MAX)
    """A video's id."""
    requester: str | None = Field(default=None, max_length=SUBJECT_CHARS_MAX)
    """The opaque id of a requester."""
    requester_name: str | None = Field(default=None, max_length=SUBJECT_CHARS_MAX)
    """The name a requester was asked for under (`Bickford-Requester`), in place of the id."""
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)
    """Kept sealed under the key of whoever asks."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.render, self.requester, self.requester_name)) != 1:
            raise ValueError("give one of render, requester and requester_name")
        return self


def read(fields: object) -> ErasureAsked:
    """The erasure in a body. Raises InvalidRequest naming what is wrong."""
    try:
        return ErasureAsked.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def check_administers_tenant(caller: Caller) -> None:
    """Raises RoleMissing: a requester's things lie in any project of the tenant."""
    if not caller.everywhere:
        raise RoleMissing(
            "A requester is erased in all projects. Use an admin's key that spans the tenant.", code="role_missing"
        )


def check_over(renders: Iterable[Render]) -> None:
    """Raises Conflicting for renders that are under way: their words are still needed, and their money is open."""
    under_way = [f"{each.intent.video_id} is {each.phase}" for each in renders if not each.ended]
    if under_way:
        raise Conflicting(
            f"Under way: {listed(under_way)}. Delete it, which cancels it, or wait for its end; then erase.",
            code="erasure_under_way",
        )


def check_unlocked(locked: Iterable[str]) -> None:
    """Raises Conflicting when storage would not delete some of the files."""
    named = [*locked]
    if named:
        raise Conflicting(
            f"Storage keeps these under a lock: {listed(named)}. Nothing was erased. Erase again when the lock ends.",
            code="asset_locked",
        )


def decided(render: Render, holds: Holds, cause: Cause, reason: Sealed | None) -> Draft:
    """The decision on one render. Nothing when it was decided or carried out before."""
    done = render.erased_at is not None if cause == "retention" else render.erased
    if done or render.erasure is not None:
        return NOTHING
    intent = render.intent
    fact = ErasureDecided(subject=intent.video_id, kind="render", project=intent.project, cause=cause, reason=reason)
    return Draft(((render.stream, fact),), {render.stream: render.version, **holds.head})


def decided_of_requester(caller: Caller, requester: str, known: Erasure | None, holds: Holds, reason: Sealed) -> Draft:
    """The decision on all of a requester. Nothing when it was taken before."""
    if known is not None:
        return NOTHING
    stream = streams.requester(caller.tenant, requester)
    fact = ErasureDecided(subject=requester, kind="requester", project=caller.project, cause="asked", reason=reason)
    return Draft(((stream, fact),), {stream: 0, **holds.head})


def erased(render: Render, reason: Reason, again: ErasureDecided | None = None) -> Draft:
    """Records that a render's key was destroyed. What is under way all the same ends here: it has no words any more.

    `again` is a decision that a restored ledger may have lost.
    """
    if render.erased:
        return NOTHING
    facts: list[Fact] = [] if render.ended else [RenderCancelled(reason="erased")]
    if again is not None and render.erasure is None:
        facts.append(again)
    facts.append(SubjectErased(subject=render.intent.video_id, reason=reason))
    return Draft(tuple((render.stream, fact) for fact in facts), {render.stream: render.version})


def erased_all(erasure: Erasure) -> Draft:
    """Records that nothing is left of a requester."""
    if erasure.is_done:
        return NOTHING
    fact = SubjectErased(subject=erasure.decided.subject, reason="asked")
    return Draft(((erasure.stream, fact),), {erasure.stream: erasure.version})


def unknown_requester() -> NotFound:
    """The error for a requester of whom this tenant has nothing."""
    return NotFound("Nothing of this requester is known.", code="requester_not_found", param="requester")

"""Deciding what becomes of a held render: approved by somebody else, denied, started, or lapsed. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import ApprovalRequired, Conflicting, Denied, RoleMissing
from ledger.envelope import Fact, Sealed
from ledger.events import RenderAllowed, RenderApprovalRequested, RenderApproved, RenderDenied
from ledger.render import Approval, Phase, Render

REASON_CHARS_MAX = 1_000
TOGETHER_MAX = 100
"""Most approvals that are decided in one request."""
LAPSED = "No approver answered in time. Ask for the render again."
DENIED = "An approver denied this render."


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError("it is text that can be read")
    return text


class Answer(BaseModel):
    """What an approver says."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    decision: Literal["approve", "deny"]
    reason: Annotated[str, Field(max_length=REASON_CHARS_MAX), AfterValidator(_readable)]
    """Why. It is kept with the render, and erased with it."""


class AnswerToSeveral(Answer):
    """What an approver says to several at once."""

    approvals: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=TOGETHER_MAX)]
    """Their ids."""


def read(fields: Mapping[str, object]) -> Answer:
    """The answer to one approval. Raises InvalidRequest naming what is wrong or missing."""
    try:
        return Answer.model_validate(dict(fields))
    except ValidationError as error:
        raise invalid(error) from None


def read_several(fields: Mapping[str, object]) -> AnswerToSeveral:
    """The answer to several approvals. Raises InvalidRequest naming what is wrong or missing."""
    try:
        return AnswerToSeveral.model_validate(dict(fields))
    except ValidationError as error:
        raise invalid(error) from None


def is_own(caller: Caller, render: Render, asker: str | None) -> bool:
    """Whether this caller asked for the render: whoever asked does not approve, whomever they name.

    `asker` has the key it was asked with, and every successor of it; None: it was not issued.
    """
    asked = {render.intent.requester, asker}
    return caller.key_id == render.asked_with or caller.requester in asked or caller.holder in asked


def answered(
    render: Render, approver: Caller, answer: Answer, reason: Sealed, now: datetime, *, asker: str | None
) -> Draft:
    """What an approver's answer leads to: the render starts, may be started, or ends. `asker` as in `is_own`.

    Raises RoleMissing for whoever asked for it, and Conflicting for what was decided, or lapsed, before.
    """
    approval = _open(render, now)
    if is_own(approver, render, asker):
        raise RoleMissing(
            "Whoever asked for a render does not approve it. Have another approver look at it.", code="own_approval"
        )
    heads = {**approver.heads, render.stream: render.version}
    if answer.decision == "deny":
        fact = RenderDenied(
            verdict=approval.requested.verdict,
            code="approval_denied",
            message=DENIED,
            approver=approver.requester,
            reason=reason,
        )
        return Draft(((render.stream, fact),), heads)
    facts: list[Fact] = [
        RenderApproved(approval_id=approval.requested.approval_id, approver=approver.requester, reason=reason)
    ]
    if approval.requested.on_hold == "wait":
        facts.append(_allowed(approval.requested))
    return Draft(tuple((render.stream, fact) for fact in facts), heads)


def started(render: Render, caller: Caller, now: datetime) -> Draft:
    """Starts what was refused until it was approved, and now is. What is on its way already is left alone.

    Raises ApprovalRequired while nobody approved it, and Denied when somebody denied it, or nobody answered in time.
    """
    if render.phase is Phase.DENIED and render.approval is not None:
        denied = render.failure.code if render.failure else "approval_denied"
        raise Denied(LAPSED if denied == "approval_lapsed" else DENIED, code=denied)
    if render.phase is not Phase.HELD or render.approval is None:
        return NOTHING
    if render.approval.approver is None or _is_over(render.approval, now):
        raise required(render.approval.requested)
    return Draft(
        ((render.stream, _allowed(render.approval.requested)),), {**caller.heads, render.stream: render.version}
    )


def was_refused(render: Render) -> bool:
    """Whether its request was refused until somebody approves."""
    return render.approval is not None and render.approval.requested.on_hold == "refuse"


def lapsed(render: Render, now: datetime) -> Draft:
    """The end of what nobody approved, or nobody started, in time."""
    if render.phase is not Phase.HELD or render.approval is None or not _is_over(render.approval, now):
        return NOTHING
    fact = RenderDenied(verdict=render.approval.requested.verdict, code="approval_lapsed", message=LAPSED)
    return Draft(((render.stream, fact),), {render.stream: render.version})


def required(requested: RenderApprovalRequested) -> ApprovalRequired:
    """The error for a render that an approver has to look at first."""
    return ApprovalRequired(
        f"{requested.message} It waits for an approver as {requested.approval_id}. Once it is approved, send the same "
        "request with the same Idempotency-Key, or start it by that id.",
        code="approval_required",
        param=requested.approval_id,
    )


def _open(render: Render, now: datetime) -> Approval:
    """The approval that is still to be given. Raises Conflicting when there is none."""
    approval = render.approval
    if approval is None:
        raise Conflicting("This render needs no approval.", code="approval_not_needed", param="approval_id")
    if render.phase is Phase.HELD and approval.approver is None and not _is_over(approval, now):
        return approval
    if _is_over(approval, now) and approval.approver is None:
        raise Conflicting("The time for this approval is over.", code="approval_lapsed", param="approval_id")
    raise Conflicting("This approval was decided before.", code="approval_decided", param="approval_id")


def _is_over(approval: Approval, now: datetime) -> bool:
    until = approval.requested.expires_at
    return until is not None and now >= until


def _allowed(requested: RenderApprovalRequested) -> RenderAllowed:
    assert requested.renderer is not None, requested.approval_id  # noqa: S101 - intent.decide names both
    assert requested.credential is not None, requested.approval_id  # noqa: S101 - as above
    return RenderAllowed(
        verdict=requested.verdict,
        renderer=requested.renderer,
        credential=requested.credential,
        quote=requested.quote,
        served_model=requested.served_model,
        replica=requested.replica,
    )

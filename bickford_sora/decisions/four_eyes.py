"""Deciding changes of what governs that take four eyes: one admin proposes, another agrees, then it is made. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.errors import ApprovalRequired, Conflicting, Denied, RoleMissing
from ledger.changes import Change
from ledger.envelope import Fact
from ledger.events import ChangeApproved, ChangeDenied, ChangeMade, ChangeProposed
from ledger.events.changes import Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change somebody wants to make."""

    kind: Kind
    subject: str
    summary: str
    content_hash: str
    """Keyed hash of all of it, and of who wants it."""
    stream: str
    change_id: str


def proposed(caller: Caller, wanted: Wanted, change: Change | None, now: datetime, *, approval_s: float) -> Draft:
    """Proposes it, unless it is proposed already. Raises Denied when somebody else has just denied it."""
    if change is not None and not change.is_over(now):
        if change.state in {"proposed", "approved"}:
            return NOTHING
        if change.state == "denied":
            raise Denied("Another admin denied this change.", code="change_denied", param=wanted.change_id)
    fact = ChangeProposed(
        change_id=wanted.change_id,
        kind=wanted.kind,
        subject=wanted.subject,
        content_hash=wanted.content_hash,
        summary=wanted.summary,
        proposer=caller.requester,
        expires_at=now + timedelta(seconds=approval_s),
    )
    return Draft(((wanted.stream, fact),), {**caller.heads, wanted.stream: change.version if change else 0})


def made(wanted: Wanted, change: Change) -> Draft:
    """What goes with the change itself: it is made once."""
    return Draft(((wanted.stream, ChangeMade(change_id=wanted.change_id)),), {wanted.stream: change.version})


def may_be_made(change: Change | None, now: datetime) -> bool:
    """Whether another admin agreed, and it was not made yet."""
    return change is not None and change.state == "approved" and not change.is_over(now)


def answered(change: Change, approver: Caller, now: datetime, *, agrees: bool, proposer: str | None) -> Draft:
    """Another admin's answer. Raises RoleMissing for one's own change, Conflicting when it is too late.

    `proposer` has the key it was proposed with, and every successor of it; None: it was not issued.
    """
    proposers = {change.proposed.proposer, proposer}
    is_own = approver.requester in proposers or approver.holder in proposers
    if is_own or approver.key_id == change.proposed_with:
        raise RoleMissing(
            "Whoever proposed a change does not approve it. Have another admin look at it.", code="own_approval"
        )
    if change.state != "proposed":
        raise Conflicting("This change was decided before.", code="approval_decided", param="change_id")
    if change.is_over(now):
        raise Conflicting("The time for this approval is over.", code="approval_lapsed", param="change_id")
    change_id = change.proposed.change_id
    fact: Fact = ChangeDenied(change_id=change_id, approver=approver.requester)
    if agrees:
        fact = ChangeApproved(change_id=change_id, approver=approver.requester)
    return Draft(((change.stream, fact),), {**approver.heads, change.stream: change.version})


def required(change_id: str) -> ApprovalRequired:
    """The error for a change that another admin has to agree to."""
    return ApprovalRequired(
        f"This takes four eyes: have another admin approve {change_id}, then send the same request again.",
        code="approval_required",
        param=change_id,
    )

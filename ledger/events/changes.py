"""Changes of what governs that take four eyes: proposed by one admin, approved by another, made once."""

from typing import ClassVar, Literal

from ledger.envelope import Fact, Moment, Sha256

Kind = Literal["policy", "budgets", "keys", "erasures"]
"""What can take four eyes: publishing a policy, raising or removing a cap, issuing an admin's key, erasing, and lifting
a hold."""


class ChangeProposed(Fact):
    """An admin wants to change what governs, and somebody else has to agree."""

    TYPE: ClassVar[str] = "change.proposed"
    change_id: str
    kind: Kind
    subject: str
    """What is changed: a budget's name, a policy's hash, a key's project."""
    content_hash: Sha256
    """Keyed hash of the whole change: what is made is what was approved."""
    summary: str
    """In words for whoever approves; holds nothing personal."""
    proposer: str
    """Opaque id of the requester who proposed it."""
    expires_at: Moment


class ChangeApproved(Fact):
    """Somebody else agreed."""

    TYPE: ClassVar[str] = "change.approved"
    change_id: str
    approver: str


class ChangeDenied(Fact):
    """Somebody else did not agree."""

    TYPE: ClassVar[str] = "change.denied"
    change_id: str
    approver: str


class ChangeMade(Fact):
    """The change was made, in the same append as what it changed."""

    TYPE: ClassVar[str] = "change.made"
    change_id: str

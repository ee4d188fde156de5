"""Erasing what was sealed, and legal holds, which come before it."""

from typing import ClassVar, Literal

from ledger.envelope import Fact, Sealed

SubjectKind = Literal["render", "requester"]
"""What is erased at once: one render's words and files, or all that was sealed for a requester."""
Cause = Literal["asked", "retention"]
"""Somebody asked for it, with a reason; or the retention of prompts ended, which leaves the files."""
Reason = Literal["asked", "retention", "requester"]
"""Why a key was destroyed: as `Cause`, or because all of its requester was erased."""
HoldScope = Literal["render", "requester", "project", "tenant"]


class ErasureDecided(Fact):
    """Somebody who may decided that a render or requester is erased. From here on it is carried out to its end."""

    TYPE: ClassVar[str] = "erasure.decided"
    subject: str
    """The video's id, or the requester's opaque one."""
    kind: SubjectKind
    project: str
    """Of the render; of the key it was asked with where all of a requester is erased."""
    cause: Cause
    reason: Sealed | None = None
    """What whoever asked gave as the reason, sealed under their own key; None: the retention of prompts ended."""


class SubjectErased(Fact):
    """The key of a requester or render was destroyed; what it sealed cannot be read any more."""

    TYPE: ClassVar[str] = "subject.erased"
    subject: str
    reason: str
    """One of `Reason`: a code, never free text."""


class HoldPlaced(Fact):
    """What this covers is kept: not deleted, expired, purged or erased, whatever else says so."""

    TYPE: ClassVar[str] = "hold.placed"
    hold_id: str
    scope: HoldScope
    subject: str | None = None
    """A video's id, a requester's opaque id or a project's name; None: the whole tenant."""
    reason: Sealed


class HoldLifted(Fact):
    """A hold covers nothing any more."""

    TYPE: ClassVar[str] = "hold.lifted"
    hold_id: str
    reason: Sealed

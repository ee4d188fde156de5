"""What is decided of a submission whose outcome nobody knows, and of a job that its renderer forgot."""

from typing import ClassVar, Literal

from pydantic import Field

from ledger.envelope import Fact, Sealed

Doubt = Literal["unknown", "lost"]
"""Why somebody had to decide: the outcome of a submission is unknown, or the renderer forgot the job."""
RecoveryRule = Literal["on_unknown", "on_lost"]
"""The renderer file's name of the rule that decided."""


class RenderResubmitted(Fact):
    """The render is submitted again, though an earlier job of it may exist, or existed: that one counts as billed."""

    TYPE: ClassVar[str] = "render.resubmitted"
    attempt: int = Field(ge=1)
    """The one that is given up."""
    doubt: Doubt
    rule: RecoveryRule | None = None
    """None: a person decided."""
    decided_by: str | None = None
    """Opaque id of the person."""
    reason: Sealed | None = None


class RenderAdopted(Fact):
    """A person found the job of a submission whose outcome was unknown. `render.queued` follows in the same append."""

    TYPE: ClassVar[str] = "render.adopted"
    attempt: int = Field(ge=1)
    job_id: str
    decided_by: str
    reason: Sealed | None = None


class RenderAbandoned(Fact):
    """Nothing more is done about an unknown outcome or a lost job. What may have been billed counts as billed."""

    TYPE: ClassVar[str] = "render.abandoned"
    attempt: int = Field(ge=1)
    doubt: Doubt
    rule: RecoveryRule | None = None
    """None: a person decided."""
    decided_by: str | None = None
    """Opaque id of the person."""
    reason: Sealed | None = None

"""A render's state, as its facts leave it. Which fact may follow in which phase is in `lifecycle.py`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple
from uuid import UUID

from ledger import events as e
from ledger.envelope import Sealed


class Phase(StrEnum):
    """Where a render stands."""

    INTENT = "intent"
    HELD = "held"
    ALLOWED = "allowed"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    LOST = "lost"
    COMPLETED = "completed"
    STORED = "stored"
    DENIED = "denied"
    FAILED = "failed"
    ASSET_LOST = "asset_lost"
    CANCELLED = "cancelled"


ENDS = frozenset({Phase.STORED, Phase.DENIED, Phase.FAILED, Phase.ASSET_LOST, Phase.CANCELLED})
"""Phases after which the renderer is not asked again (but to delete)."""


Status = Literal["queued", "in_progress", "completed", "failed"]
"""The protocol's words."""

STATUSES: Mapping[Phase, Status] = MappingProxyType(
    {
        **dict.fromkeys(Phase, "queued"),
        Phase.IN_PROGRESS: "in_progress",
        Phase.COMPLETED: "in_progress",
        Phase.STORED: "completed",
        Phase.DENIED: "failed",
        Phase.FAILED: "failed",
        Phase.ASSET_LOST: "failed",
        Phase.CANCELLED: "failed",
    }
)
"""What clients are told of each phase. `completed` only once the file is ours: they download as soon as they see it."""


class Job(NamedTuple):
    """The renderer's own object, and where every later call about it goes."""

    renderer: str
    credential: str
    replica: str
    job_id: str


class Submission(NamedTuple):
    """One try to hand the render to a renderer."""

    attempt: int
    renderer: str
    credential: str
    replica: str
    fingerprint: str
    started_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody said of the video, and when."""

    said: e.RenderReviewed
    at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approver is asked, and who said yes."""

    requested: e.RenderApprovalRequested
    approver: str | None = None
    """Opaque id; None while nobody did."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a render has no video."""

    code: str
    message: Sealed | None = None
    failed_by: str | None = None
    """`renderer` where it called its job failed; what else ended the render otherwise, or None."""


@dataclass(frozen=True)
class Render:
    """A render, folded from its facts."""

    stream: str
    version: int
    tenant: str
    intent: e.RenderIntent
    created_at: datetime
    last_event_id: UUID
    """The newest fact: the cause of whatever is decided next."""
    correlation: UUID | None = None
    """The request that asked for the render; its later facts share it."""
    trace: str | None = None
    asked_with: str = ""
    """Public id of the API key it was asked for with."""
    phase: Phase = Phase.INTENT
    approval: Approval | None = None
    """None: nobody had to be asked."""
    allowed: e.RenderAllowed | None = None
    quoted: e.Quote | None = None
    """What it was first allowed at; another renderer of its route is never dearer."""
    submission: Submission | None = None
    submission_open: bool = False
    """Whether the outcome of `submission` is still to be recorded."""
    attempts: int = 0
    retry_at: datetime | None = None
    job: Job | None = None
    lost_jobs: int = 0
    """How often its renderer forgot a job of it."""
    doubtful: tuple[int, ...] = ()
    """Attempts that were given up, and whose job, if there is one, did not turn up."""
    extra_jobs: int = 0
    """Jobs beside `job` that were made for it: those given up after they were lost, and duplicates."""
    progress: int = 0
    progress_at: datetime | None = None
    completed_at: datetime | None = None
    renderer_expires_at: datetime | None = None
    assets: tuple[e.Asset, ...] = ()
    failure: Failure | None = None
    trouble: e.RenderAttemptFailed | None = None
    """The last trouble with the renderer, None once a call went well again."""
    deleted_at: datetime | None = None
    purged: bool = False
    """Whether all copies are gone; a job that turns up later makes it False again."""
    expires_at: datetime | None = None
    """When the retention of our copy ends; None: never, or nothing is stored."""
    expired: bool = False
    """Whether it ended and the files are gone."""
    erasure: e.ErasureDecided | None = None
    """That it is erased, as long as its key is not destroyed yet."""
    erased_at: datetime | None = None
    """When its key was destroyed: its words cannot be read any more."""
    erased: bool = False
    """Whether its files go, too. The end of the prompts' retention leaves them."""
    remixes: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = ()
    last_event_at: datetime | None = None
    resumed_at: datetime | None = None
    """When it went on after an approval, an unknown outcome or a lost job; its deadline counts from then.

    None: from its intent.
    """

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def ended(self) -> bool:
        """Whether the render reached its end."""
        return self.phase in ENDS

    @property
    def written_off(self) -> int:
        """How many jobs beside `job` may have been billed for it."""
        return len(self.doubtful) + self.extra_jobs

    @property
    def approved(self) -> bool:
        """Whether who looked at the video last approved of it."""
        return bool(self.reviews) and self.reviews[-1].said.verdict == "approved"

    @property
    def deleted(self) -> bool:
        """Whether somebody deleted the video."""
        return self.deleted_at is not None

    @property
    def files(self) -> tuple[str, ...]:
        """The addresses of all we hold of it: what was stored, and what it was asked with."""
        given = (self.intent.input_reference, self.intent.source_video)
        stored = (asset.storage_uri for asset in self.assets)
        return (*stored, *(each.storage_uri for each in given if each is not None))

    @property
    def goes(self) -> bool:
        """Whether its files are to go, ours and the renderer's."""
        return self.deleted or self.erased

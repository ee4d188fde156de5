"""The lifecycle of a render: everything in its own stream, in the order it may happen."""

from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from ledger.envelope import Fact, Moment, Sealed, Sha256
from ledger.events.parts import Asset, InputReference, Quote, Reported, ReviewWeights, SourceVideo, Step, Verdict

ReviewVerdict = Literal["approved", "rejected"]
Progress = int
"""Percent, 0 to 100."""


class RenderIntent(Fact):
    """Somebody asked for a video. Always first, also of what is then denied."""

    TYPE: ClassVar[str] = "render.intent"
    SCHEMA: ClassVar[int] = 5
    video_id: str
    project: str
    requester: str
    operation: Literal["create", "remix", "edit", "extend"] = "create"
    model: str
    seconds: str
    """What is made anew: of an extension, the segment."""
    size: str
    prompt: Sealed
    input_reference: InputReference | None = None
    remix_video_id: str | None = None
    """The video this one is made from."""
    retry_of_video_id: str | None = None
    """The failed video this one was asked for again."""
    idempotency_stream: str | None = None
    source_video: SourceVideo | None = None
    """The uploaded video that an edit or an extension starts from."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields beyond the protocol that the renderer is given; none of them free text."""
    text_fields: dict[str, Sealed] = Field(default_factory=dict)
    """As `fields`, those that are free text."""
    source_seconds: str | None = None
    """Of an extension: the length of what it is added to, in whole seconds, rounded up."""
    purpose: Literal["draft", "final"] | None = None
    tags: tuple[str, ...] = ()
    attestations: tuple[str, ...] = ()
    """What the requester vouched for, by name."""
    chosen_by_policy: tuple[Literal["model", "size", "seconds"], ...] = ()
    """What the request left open and the policy chose for its purpose; the verdict names the policy."""
    batch_id: str | None = None
    """The batch it was a line of."""

    @property
    def video_seconds(self) -> str:
        """Length of the finished video in seconds: an extension is stitched to its source."""
        if self.source_seconds is None:
            return self.seconds
        return str(int(self.source_seconds) + int(self.seconds))

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 had no fields beyond the protocol, 2 not the length of a source, 3 nothing that is declared.

        Schema 4 did not say of which batch it was a line.
        """
        return fields if schema in {1, 2, 3, 4} else super().upcast(schema, fields)


class RenderAllowed(Fact):
    """Policy let the render happen, on this renderer, at this price."""

    TYPE: ClassVar[str] = "render.allowed"
    SCHEMA: ClassVar[int] = 4
    verdict: Verdict
    renderer: str
    credential: str
    """Public name of the credential the job will be made with; never the secret."""
    quote: Quote | None = None
    """None where no price is known for this model and size."""
    served_model: str | None = None
    """The renderer's own name of the model; None: the same."""
    replica: str | None = None
    """The only replica that can take it, as the one that holds the source; None: any."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 knew one name of a model and one replica of a renderer, 2 neither who decided nor warnings.

        Schema 3 did not say what one unit costs.
        """
        return fields if schema in {1, 2, 3} else super().upcast(schema, fields)


class RenderRerouted(Fact):
    """The renderer certainly did not take the render; the next one of its route is asked. Never dearer than allowed.

    Or the same one, by the name that it has for the model by now.
    """

    TYPE: ClassVar[str] = "render.rerouted"
    SCHEMA: ClassVar[int] = 2
    code: str
    """Why the one before did not take it."""
    renderer: str
    credential: str
    quote: Quote | None = None
    served_model: str | None = None

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 did not say what one unit costs."""
        return fields if schema == 1 else super().upcast(schema, fields)


class RenderDenied(Fact):
    """Policy refused the render; nothing was sent and nothing is billed."""

    TYPE: ClassVar[str] = "render.denied"
    SCHEMA: ClassVar[int] = 2
    verdict: Verdict
    code: str
    message: str
    approver: str | None = None
    """Opaque id of who denied it; None: nobody was asked, or nobody answered in time."""
    reason: Sealed | None = None

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 knew neither the rule that decided nor warnings, and nobody was asked."""
        return fields if schema == 1 else super().upcast(schema, fields)


class RenderApprovalRequested(Fact):
    """Policy holds the render until an approver decides."""

    TYPE: ClassVar[str] = "render.approval_requested"
    SCHEMA: ClassVar[int] = 3
    approval_id: str
    verdict: Verdict
    expires_at: Moment | None = None
    message: str = ""
    """Which rule it was, in words for the client."""
    on_hold: Literal["wait", "refuse"] = "wait"
    """Whether it starts when it is approved, or when the client asks again."""
    renderer: str | None = None
    """Where it goes, and what it costs, as it was when it was asked for; as `render.allowed` says it then."""
    credential: str | None = None
    quote: Quote | None = None
    served_model: str | None = None
    replica: str | None = None

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 was never recorded; it knew neither the rule that decided nor where the render goes.

        Schema 2 did not say what one unit costs.
        """
        return fields if schema in {1, 2} else super().upcast(schema, fields)


class RenderApproved(Fact):
    """An approver let a held render happen."""

    TYPE: ClassVar[str] = "render.approved"
    approval_id: str
    approver: str
    """Opaque id; never the requester's."""
    reason: Sealed | None = None


class RenderSubmissionStarted(Fact):
    """We are about to call the renderer. Recorded before the call, so that a crash leaves a trace of it."""

    TYPE: ClassVar[str] = "render.submission_started"
    attempt: int = Field(ge=1)
    renderer: str
    credential: str
    replica: str
    """Base URL of the process that is asked, without credentials."""
    fingerprint: Sha256
    """Keyed hash of what the renderer's list will show of this job."""
    deadline_at: Moment
    """After this moment no answer is waited for any more."""


class RenderSubmissionRefused(Fact):
    """The renderer answered that it did not take the job. Nothing is billed; it may be asked again."""

    TYPE: ClassVar[str] = "render.submission_refused"
    attempt: int = Field(ge=1)
    code: str
    http_status: int | None = None
    message: Sealed | None = None
    retry_at: Moment | None = None
    """When the renderer, or our back-off, allows the next try; None when there will be none."""


class RenderSubmissionUnknown(Fact):
    """No answer came: the renderer may or may not have taken, and billed, the job. Never the same as failed."""

    TYPE: ClassVar[str] = "render.submission_unknown"
    attempt: int = Field(ge=1)
    code: str
    message: Sealed | None = None


class RenderSubmissionAbsent(Fact):
    """The renderer's whole list was searched after the deadline, and the job is not there."""

    TYPE: ClassVar[str] = "render.submission_absent"
    attempt: int = Field(ge=1)
    jobs_searched: int = Field(ge=0)


class RenderQueued(Fact):
    """The renderer has the job."""

    TYPE: ClassVar[str] = "render.queued"
    attempt: int = Field(ge=1)
    renderer: str
    credential: str
    replica: str
    job_id: str
    found_by: Literal["answer", "reconciliation"]
    status: str
    progress: Progress = Field(ge=0, le=100)


class RenderProgress(Fact):
    """The renderer got further: recorded in steps, not at every poll."""

    TYPE: ClassVar[str] = "render.progress"
    status: str
    progress: Progress = Field(ge=0, le=100)


class RenderCompleted(Fact):
    """The renderer finished. The file is still the renderer's."""

    TYPE: ClassVar[str] = "render.completed"
    SCHEMA: ClassVar[int] = 2
    status: Literal["completed"] = "completed"
    progress: Literal[100] = 100
    completed_at: Moment | None = None
    """As the renderer reports it."""
    expires_at: Moment | None = None
    """When the renderer's download ends."""
    reported: Reported | None = None
    """What it says it made and charged; None: nothing."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 took no note of what the renderer reports."""
        return fields if schema == 1 else super().upcast(schema, fields)


class RenderFailed(Fact):
    """The render reached its end without a video."""

    TYPE: ClassVar[str] = "render.failed"
    status: Literal["failed"] = "failed"
    code: str
    message: Sealed | None = None
    failed_by: Literal["renderer", "bickford"]


class RenderStored(Fact):
    """The files are in our storage, decoded and checked."""

    TYPE: ClassVar[str] = "render.stored"
    SCHEMA: ClassVar[int] = 2
    assets: tuple[Asset, ...] = Field(min_length=1)
    expires_at: Moment | None = None
    """When the retention of our copy ends; None: never."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 knew one output and no end of retention."""
        return fields if schema == 1 else super().upcast(schema, fields)


class RenderExpired(Fact):
    """The retention of our copy ended and its files are gone. The video still counts as completed."""

    TYPE: ClassVar[str] = "render.expired"
    assets_deleted: int = Field(ge=0)


class RenderRemixed(Fact):
    """On the source: a new video is being made from it."""

    TYPE: ClassVar[str] = "render.remixed"
    remix_video_id: str
    operation: Literal["remix", "edit", "extend"] = "remix"


class RenderAttemptFailed(Fact):
    """A call to the renderer did not bring what was asked. Recorded when the trouble is new, not at every try."""

    TYPE: ClassVar[str] = "render.attempt_failed"
    step: Step
    code: str
    http_status: int | None = None
    message: Sealed | None = None
    retry_at: Moment | None = None


class RenderDuplicateFound(Fact):
    """A second job for this render exists at the renderer."""

    TYPE: ClassVar[str] = "render.duplicate_found"
    job_id: str
    cancelled: bool


class RenderJobLost(Fact):
    """The renderer does not know the job any more."""

    TYPE: ClassVar[str] = "render.job_lost"
    SCHEMA: ClassVar[int] = 2
    job_id: str
    http_status: int | None = None
    on_lost: Literal["hold", "resubmit", "fail"] | None = None
    """The rule that held; what it led to follows. None: there was no rule yet, and the render ended with this fact."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 knew no rule."""
        return fields if schema == 1 else super().upcast(schema, fields)


class RenderAssetLost(Fact):
    """The renderer made the video, but its file could not be had before it was gone."""

    TYPE: ClassVar[str] = "render.asset_lost"
    code: str
    message: Sealed | None = None


class RenderCancelled(Fact):
    """Somebody stopped the render before its end."""

    TYPE: ClassVar[str] = "render.cancelled"
    reason: Literal["deleted", "operator", "erased"]


class RenderDeleted(Fact):
    """Somebody deleted the video. Its facts stay; its files go."""

    TYPE: ClassVar[str] = "render.deleted"


class RenderPurged(Fact):
    """The renderer's copy and ours are gone, as far as each can be."""

    TYPE: ClassVar[str] = "render.purged"
    renderer_copy: Literal["deleted", "gone", "unsupported", "none"]
    assets_deleted: int = Field(ge=0)


class RenderReviewed(Fact):
    """Somebody judged the video."""

    TYPE: ClassVar[str] = "render.reviewed"
    SCHEMA: ClassVar[int] = 2
    verdict: ReviewVerdict
    clarity: float = Field(ge=0, le=1)
    continuity: float = Field(ge=0, le=1)
    brand_fit: float = Field(ge=0, le=1)
    review_time_s: int = Field(ge=0)
    notes: Sealed | None = None
    review_id: str | None = None
    reviewer: str | None = None
    """Opaque id of who judged."""
    score: float | None = Field(default=None, ge=0)
    """The weighted sum, to three decimals."""
    weights: ReviewWeights | None = None
    """What it was reckoned with."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 did not say who judged, and had no score."""
        return fields if schema == 1 else super().upcast(schema, fields)

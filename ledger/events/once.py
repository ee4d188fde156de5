"""What must happen once: receipts, claims, bindings and turns."""

from typing import Any, ClassVar

from pydantic import Field

from ledger.envelope import Fact, Moment, Sha256


class WebhookReceived(Fact):
    """A renderer's signed webhook, recorded before it is acknowledged."""

    TYPE: ClassVar[str] = "webhook.received"
    renderer: str
    webhook_event_id: str
    """The signed `webhook-id` header (Standard Webhooks)."""
    body_event_id: str | None = None
    webhook_type: str
    job_id: str
    job_stream: str
    sent_at: Moment
    """The signed `webhook-timestamp` header."""
    body_sha256: Sha256


class IdempotencyBound(Fact):
    """An Idempotency-Key made this render or character, and makes no other."""

    TYPE: ClassVar[str] = "idempotency.bound"
    request_hash: Sha256
    """Keyed hash of the parsed request."""
    video_id: str
    """What it made: a video's id, or a character's."""
    project: str
    requester: str


class JobClaimed(Fact):
    """A renderer's job belongs to this render, and to no other."""

    TYPE: ClassVar[str] = "job.claimed"
    renderer: str
    credential: str
    job_id: str
    video_id: str


class SubmissionOpened(Fact):
    """A render has its turn to submit; equal submissions wait."""

    TYPE: ClassVar[str] = "submission.opened"
    video_id: str
    attempt: int = Field(ge=1)


class SubmissionClosed(Fact):
    """The outcome of the turn is known."""

    TYPE: ClassVar[str] = "submission.closed"
    video_id: str
    attempt: int = Field(ge=1)


class DeliveryAttempted(Fact):
    """We told a subscribed endpoint, or tried to."""

    TYPE: ClassVar[str] = "delivery.attempted"
    SCHEMA: ClassVar[int] = 2
    endpoint_id: str
    delivery_id: str
    attempt: int = Field(ge=1)
    http_status: int | None = None
    delivered: bool
    code: str | None = None
    """What went wrong, None when it was delivered."""
    retry_at: Moment | None = None
    """When it is tried again; None: it is not."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 did not say what went wrong, nor when it would be tried again."""
        return fields if schema == 1 else super().upcast(schema, fields)

"""What must happen once: receipts, claims, bindings and turns."""

from typing import ClassVar

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
    """An Idempotency-Key made this render, and makes no other."""

    TYPE: ClassVar[str] = "idempotency.bound"
    request_hash: Sha256
    """Keyed hash of the parsed request."""
    video_id: str
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
    endpoint_id: str
    delivery_id: str
    attempt: int = Field(ge=1)
    http_status: int | None = None
    delivered: bool

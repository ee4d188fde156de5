"""Whom a project has told of its renders: webhook endpoints, and the deliveries to them."""

from typing import ClassVar, Literal

from pydantic import Field

from ledger.envelope import Fact, Moment, Sealed

DisabledReason = Literal["gone_410", "secret_erased", "operator"]
"""Why an endpoint is told nothing more: it said so, nobody can read its secret any more, or somebody decided it."""
GivenUpReason = Literal["retries_exhausted", "endpoint_disabled", "endpoint_deleted"]


class EndpointCreated(Fact):
    """A project wants to be told, at this URL."""

    TYPE: ClassVar[str] = "endpoint.created"
    endpoint_id: str
    project: str
    requester: str
    """Under whose key name, URL and secret are sealed."""
    name: Sealed
    url: Sealed
    """Sealed, since many receivers are known by a token in their URL."""
    event_types: tuple[str, ...] = Field(min_length=1)
    secret: Sealed
    """What deliveries are signed with."""
    secret_hint: str
    """The secret's last characters, by which its owner knows it."""


class EndpointUpdated(Fact):
    """What has changed of an endpoint; the rest stays as it was."""

    TYPE: ClassVar[str] = "endpoint.updated"
    name: Sealed | None = None
    url: Sealed | None = None
    event_types: tuple[str, ...] | None = None


class EndpointSecretRotated(Fact):
    """Deliveries are signed with a new secret."""

    TYPE: ClassVar[str] = "endpoint.secret_rotated"
    secret: Sealed
    secret_hint: str
    old_secret_until: Moment | None = None
    """Until when they are signed with the one before as well; None: it is not used any more."""


class EndpointDisabled(Fact):
    """Nothing more is delivered to the endpoint until it is enabled."""

    TYPE: ClassVar[str] = "endpoint.disabled"
    reason: DisabledReason
    delivery_id: str | None = None
    """The delivery whose answer was the reason."""


class EndpointEnabled(Fact):
    """The endpoint is told again; what happened meanwhile is not made up for."""

    TYPE: ClassVar[str] = "endpoint.enabled"
    reason: Literal["updated", "operator"]


class EndpointDeleted(Fact):
    """The endpoint is gone for good."""

    TYPE: ClassVar[str] = "endpoint.deleted"


class DeliveryScheduled(Fact):
    """An endpoint is to be told of something that happened."""

    TYPE: ClassVar[str] = "delivery.scheduled"
    endpoint_id: str
    delivery_id: str
    """The `webhook-id` header, the same in every attempt (Standard Webhooks)."""
    event_id: str
    """The `id` in the body, the same for every endpoint that is told."""
    event_type: str
    project: str
    video_id: str | None = None
    created_at: Moment
    """When it happened."""
    trigger_position: int = Field(ge=1)
    """Of the fact that is told of."""


class DeliveryGivenUp(Fact):
    """The endpoint is not told any more."""

    TYPE: ClassVar[str] = "delivery.given_up"
    reason: GivenUpReason

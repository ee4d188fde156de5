"""Which facts webhook endpoints are told of, in which words, when again, and when no more. Pure."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from bickford_sora.decisions.drafts import NOTHING, Draft
from ledger.deliveries import Delivery
from ledger.endpoints import Endpoint
from ledger.envelope import Event, Fact
from ledger.events import (
    BudgetThreshold,
    DeliveryAttempted,
    DeliveryGivenUp,
    DeliveryScheduled,
    EndpointDisabled,
    RenderApprovalRequested,
    RenderAssetLost,
    RenderCancelled,
    RenderDenied,
    RenderFailed,
    RenderJobLost,
    RenderReviewed,
    RenderStored,
)
from ledger.events.endpoints import DisabledReason, GivenUpReason

EVENT_TYPES = (
    "video.completed",
    "video.failed",
    "video.stored",
    "video.reviewed",
    "approval.requested",
    "budget.threshold",
)
"""What an endpoint can subscribe to. The first two are the protocol's, with its thin bodies."""

RETRY_PAUSES_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Pauses after the first attempt, which is made at once, and each one after it (Standard Webhooks 1.0.0)."""
RETRY_S_MAX = 72 * 3600.0
"""After this many seconds no attempt is begun any more; the last pause is cut to end here."""
RETRY_JITTER = 0.1
"""A pause is up to this part longer, so that what failed together is not tried again together."""
PAYLOAD_BYTES_MAX = 20_000
"""Largest body of a delivery in bytes (Standard Webhooks 1.0.0: less than 20 kB)."""

_OK = range(200, 300)
_ASKS_FOR_TIME = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers whose `retry-after` is kept."""

_TRIGGERS: Mapping[type[Fact], tuple[str, ...]] = MappingProxyType(
    {
        # Clients download as soon as they hear of it, so they hear of it when the file is ours (ADR 0004).
        RenderStored: ("video.completed", "video.stored"),
        RenderFailed: ("video.failed",),
        RenderAssetLost: ("video.failed",),
        RenderJobLost: ("video.failed",),
        RenderCancelled: ("video.failed",),
        RenderDenied: ("video.failed",),
        RenderReviewed: ("video.reviewed",),
        RenderApprovalRequested: ("approval.requested",),
        BudgetThreshold: ("budget.threshold",),
    }
)


AFTER_APPROVAL = frozenset({"approval_denied", "approval_lapsed"})
"""Codes of denials that came after the client was told to wait."""

TRIGGERS = frozenset(kind.TYPE for kind in _TRIGGERS)
"""Types of the facts that anybody may be told of."""


def triggered(fact: Fact) -> tuple[str, ...]:
    """The event types a fact is told as; most facts are told to nobody.

    Not a denial that was the answer to the request; not what somebody deleted, who knows; and not a lost job that does
    not end the render by itself.
    """
    if isinstance(fact, RenderDenied) and fact.code not in AFTER_APPROVAL:
        return ()
    if isinstance(fact, RenderCancelled) and fact.reason == "deleted":
        return ()
    if isinstance(fact, RenderJobLost) and fact.on_lost is not None:
        return ()  # it goes on, or another fact ends it
    return _TRIGGERS.get(type(fact), ())


def event_id(trigger: Event, event_type: str) -> str:
    """The id of what is told, `evt_` and 32 hex digits: always the same, so that it is never scheduled twice."""
    return f"evt_{_digest(trigger.event_id.hex, event_type)}"


def scheduled(
    trigger: Event, event_type: str, stream: str, *, endpoint_id: str, project: str, video_id: str | None
) -> Draft:
    """Schedules telling one endpoint of one event: the delivery's stream must be empty."""
    assert trigger.position is not None, trigger.stream  # noqa: S101 - it was read from the ledger
    event = event_id(trigger, event_type)
    fact = DeliveryScheduled(
        endpoint_id=endpoint_id,
        delivery_id=f"wh_{_digest(endpoint_id, event)}",
        event_id=event,
        event_type=event_type,
        project=project,
        video_id=video_id,
        created_at=trigger.context.occurred_at,
        trigger_position=trigger.position,
    )
    return Draft(((stream, fact),), {stream: 0})


def body(scheduled: DeliveryScheduled, told: Fact, link: str | None) -> bytes:
    """What is sent: the protocol's event object, compact JSON. `link` is where a stored video can be downloaded."""
    data = _data(scheduled, told, link)
    return event_object(scheduled.event_id, scheduled.event_type, scheduled.created_at, data)


def event_object(event_id: str, event_type: str, created_at: datetime, data: Mapping[str, Any]) -> bytes:
    """The protocol's event object as compact JSON."""
    written = json.dumps(
        {
            "id": event_id,
            "object": "event",
            "created_at": int(created_at.timestamp()),
            "type": event_type,
            "data": dict(data),
        },
        separators=(",", ":"),
    ).encode()
    assert len(written) < PAYLOAD_BYTES_MAX, event_type  # noqa: S101 - every part of it is bounded
    return written


def sample(event_id: str, event_type: str, video_id: str, now: datetime) -> bytes:
    """What is sent to try an endpoint: an event of a video that there is not."""
    return event_object(event_id, event_type, now, {**_SAMPLES.get(event_type, {}), "id": video_id})


_SAMPLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "video.stored": {"sha256": "0" * 64, "bytes": 1, "media_type": "video/mp4"},
        "video.reviewed": {
            "verdict": "approved",
            "clarity": 1.0,
            "continuity": 1.0,
            "brand_fit": 1.0,
            "review_time_s": 1,
            "review_id": f"review_{'0' * 32}",
            "score": 0.898,
        },
        "approval.requested": {"approval_id": "sample", "expires_at": None},
        "budget.threshold": {"percent": 100, "period": "total"},
    }
)
"""What stands beside the id in a sample."""


def _data(scheduled: DeliveryScheduled, told: Fact, link: str | None) -> dict[str, Any]:
    add = _ADDITIONS.get(scheduled.event_type)
    added = add(told) if add else {}
    if scheduled.video_id is not None and "id" not in added:
        added = {"id": scheduled.video_id, **added}
    return {**added, "url": link} if scheduled.event_type == "video.stored" and link is not None else added


def _stored(fact: Fact) -> dict[str, Any]:
    assert isinstance(fact, RenderStored), fact.TYPE  # noqa: S101 - the trigger says so
    video = next((asset for asset in fact.assets if asset.variant == "video"), None)
    return {"sha256": video.sha256, "bytes": video.bytes, "media_type": video.media_type} if video else {}


def _reviewed(fact: Fact) -> dict[str, Any]:
    assert isinstance(fact, RenderReviewed), fact.TYPE  # noqa: S101 - the trigger says so
    return fact.model_dump(mode="json", exclude={"notes", "reviewer", "weights"})


def _approval(fact: Fact) -> dict[str, Any]:
    assert isinstance(fact, RenderApprovalRequested), fact.TYPE  # noqa: S101 - the trigger says so
    until = int(fact.expires_at.timestamp()) if fact.expires_at else None
    return {"approval_id": fact.approval_id, "expires_at": until}


def _threshold(fact: Fact) -> dict[str, Any]:
    assert isinstance(fact, BudgetThreshold), fact.TYPE  # noqa: S101 - the trigger says so
    return {"id": fact.budget_id, "percent": fact.percent, "period": fact.period}


_ADDITIONS: Mapping[str, Callable[[Fact], dict[str, Any]]] = MappingProxyType(
    {
        "video.stored": _stored,
        "video.reviewed": _reviewed,
        "approval.requested": _approval,
        "budget.threshold": _threshold,
    }
)
"""What stands in `data` beside the video's id."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `code` is None when an answer came; `retry_after_s` is what it asked for."""

    http_status: int | None
    code: str | None = None
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Any 2xx; a redirect is a failure (Standard Webhooks)."""
        return self.http_status is not None and self.http_status in _OK


def attempted(
    delivery: Delivery, endpoint: Endpoint, told: Endpoint, outcome: Outcome, now: datetime, *, jitter: float
) -> Draft:
    """Records an attempt and what follows: nothing more, another attempt, or giving up.

    `endpoint` is as it is now and `told` as it was when it was called: only what was called can say 410 for itself.
    `jitter` is 0 to 1. Nothing when the delivery ended meanwhile.
    """
    if delivery.ended:
        return NOTHING
    gone = outcome.http_status == HTTPStatus.GONE
    retry_at = None if outcome.delivered or gone else retry_time(delivery, outcome, now, jitter=jitter)
    facts: list[tuple[str, Fact]] = [(delivery.stream, _attempt(delivery, outcome, retry_at))]
    heads = {delivery.stream: delivery.version}
    if gone:
        facts.append((delivery.stream, DeliveryGivenUp(reason="endpoint_disabled")))
        if endpoint.live and endpoint.url == told.url:
            disabled = EndpointDisabled(reason="gone_410", delivery_id=delivery.scheduled.delivery_id)
            facts.append((endpoint.stream, disabled))
            heads[endpoint.stream] = endpoint.version
    elif not outcome.delivered and retry_at is None:
        facts.append((delivery.stream, DeliveryGivenUp(reason="retries_exhausted")))
    return Draft(tuple(facts), heads)


def retry_time(delivery: Delivery, outcome: Outcome, now: datetime, *, jitter: float) -> datetime | None:
    """When a failed attempt is followed by another; None: never."""
    if delivery.attempts >= len(RETRY_PAUSES_S):
        return None
    ends_at = delivery.scheduled_at + timedelta(seconds=RETRY_S_MAX)
    if now >= ends_at:
        return None
    pause_s = RETRY_PAUSES_S[delivery.attempts] * (1 + RETRY_JITTER * jitter)
    if outcome.http_status in _ASKS_FOR_TIME:
        pause_s = max(pause_s, outcome.retry_after_s or 0.0)
    return min(now + timedelta(seconds=pause_s), ends_at)


def given_up(delivery: Delivery, endpoint: Endpoint) -> Draft:
    """Gives up a delivery whose endpoint is not told any more, as it then was."""
    if delivery.ended or endpoint.live:
        return NOTHING
    reason: GivenUpReason = "endpoint_deleted" if endpoint.deleted else "endpoint_disabled"
    heads = {delivery.stream: delivery.version, endpoint.stream: endpoint.version}
    return Draft(((delivery.stream, DeliveryGivenUp(reason=reason)),), heads)


def unsendable(delivery: Delivery, endpoint: Endpoint, reason: DisabledReason) -> Draft:
    """Gives up a delivery that cannot be made, and disables its endpoint: none to it could be made."""
    if delivery.ended or not endpoint.live:
        return NOTHING
    facts: tuple[tuple[str, Fact], ...] = (
        (delivery.stream, DeliveryGivenUp(reason="endpoint_disabled")),
        (endpoint.stream, EndpointDisabled(reason=reason, delivery_id=delivery.scheduled.delivery_id)),
    )
    return Draft(facts, {delivery.stream: delivery.version, endpoint.stream: endpoint.version})


def _attempt(delivery: Delivery, outcome: Outcome, retry_at: datetime | None) -> DeliveryAttempted:
    code = None if outcome.delivered else outcome.code or f"http_{outcome.http_status}"
    return DeliveryAttempted(
        endpoint_id=delivery.scheduled.endpoint_id,
        delivery_id=delivery.scheduled.delivery_id,
        attempt=delivery.attempts + 1,
        http_status=outcome.http_status,
        delivered=outcome.delivered,
        code=code,
        retry_at=retry_at,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]

"""Telling an endpoint of an event: one signed call, and what came of it as a fact."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import cast

import structlog

from bickford_sora.decisions import deliveries as decisions
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.dispatch import Dispatch
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from bickford_sora.tracing import Tracing
from bickford_sora.workers.workshop import ACTOR, RECHECK_S, Task
from ledger import deliveries, endpoints, streams
from ledger.deliveries import Delivery
from ledger.endpoints import Endpoint
from ledger.errors import Conflict, Erased

Link = Callable[[str, str, str], str | None]
"""Where a stored video can be downloaded, by tenant, project and video id; None: nowhere."""

CALLS_PER_ENDPOINT_MAX = 2
"""Calls of one endpoint that one process makes at a time: one that never answers must not keep all others waiting."""
TURN_PAUSE_S = 5.0
"""Pause of a delivery whose endpoint is being called already, in seconds."""

log = structlog.get_logger(__name__)


class Deliver:
    """Makes deliveries. Safe to use from several threads. `jitter` gives numbers from 0 to 1."""

    def __init__(
        self,
        recording: Recording,
        dispatch: Dispatch,
        *,
        link: Link,
        jitter: Callable[[], float],
        tracing: Tracing | None = None,
    ) -> None:
        self._recording = recording
        self._tracing = tracing or Tracing()
        self._dispatch = dispatch
        self._link = link
        self._jitter = jitter
        self._turns = _Turns(CALLS_PER_ENDPOINT_MAX)

    def __call__(self, task: Task) -> datetime:
        """Makes one attempt, unless the delivery has ended, and says when to look again."""
        delivery = self._delivery(task.stream)
        if delivery.trace is not None:
            self._tracing.link(delivery.trace)
        if delivery.ended:
            return self._after(RECHECK_S)
        endpoint = self._endpoint(delivery)
        if not endpoint.live:
            self._decide(task.stream, decisions.given_up)
            return self._after(RECHECK_S)
        with self._turns.taken(endpoint.endpoint_id) as taken:
            if not taken:
                return self._after(TURN_PAUSE_S)
            return self._attempt(delivery, endpoint)

    def _attempt(self, delivery: Delivery, endpoint: Endpoint) -> datetime:
        scheduled = delivery.scheduled
        body = self._body(delivery)
        # A crash from here to the append: the endpoint is told again, and knows it by the same webhook-id.
        try:
            outcome = self._dispatch.send(endpoint, body, webhook_id=scheduled.delivery_id, now=self._recording.clock())
        except Erased:
            self._decide(delivery.stream, lambda now, at: decisions.unsendable(now, at, "secret_erased"))
            return self._after(RECHECK_S)
        jitter = self._jitter()
        now = self._recording.clock()
        after = self._decide(
            delivery.stream,
            lambda current, at: decisions.attempted(current, at, endpoint, outcome, now, jitter=jitter),
        )
        log.info(
            "delivery_attempted",
            endpoint_id=scheduled.endpoint_id,
            delivery_id=scheduled.delivery_id,
            http_status=outcome.http_status,
            code=outcome.code,
        )
        return after.retry_at or self._after(RECHECK_S)

    def _body(self, delivery: Delivery) -> bytes:
        scheduled = delivery.scheduled
        position = scheduled.trigger_position
        trigger = self._recording.ledger.read(position - 1, until=position, limit=1)[0]
        wants_link = scheduled.event_type == "video.stored" and scheduled.video_id is not None
        # Made anew for each attempt: a link is short-lived, the schedule is not.
        link = self._link(delivery.tenant, scheduled.project, scheduled.video_id or "") if wants_link else None
        return decisions.body(scheduled, trigger.fact, link)

    def _decide(self, stream: str, decision: Callable[[Delivery, Endpoint], Draft]) -> Delivery:
        """Takes a decision on a delivery and its endpoint, again when one of them moved on. Raises Conflict."""
        for attempt in range(DECIDE_ATTEMPTS_MAX):
            delivery = self._delivery(stream)
            draft = NOTHING if delivery.ended else decision(delivery, self._endpoint(delivery))
            if not draft:
                return delivery
            try:
                self._recording.append(draft, _origin(delivery))
            except Conflict:
                if attempt == DECIDE_ATTEMPTS_MAX - 1:
                    raise
                continue
            return self._delivery(stream)
        raise AssertionError("unreachable")

    def _delivery(self, stream: str) -> Delivery:
        delivery = cast("Delivery | None", self._recording.ledger.fold(stream, deliveries.fold))
        assert delivery is not None, f"{stream} has no facts"  # noqa: S101 - the stream comes from the ledger
        return delivery

    def _endpoint(self, delivery: Delivery) -> Endpoint:
        stream = streams.endpoint(delivery.tenant, delivery.scheduled.endpoint_id)
        endpoint = cast("Endpoint | None", self._recording.ledger.fold(stream, endpoints.fold))
        assert endpoint is not None, f"{stream} has no facts"  # noqa: S101 - a delivery was scheduled for it
        return endpoint

    def _after(self, seconds: float) -> datetime:
        return self._recording.clock() + timedelta(seconds=seconds)


class _Turns:
    """How many calls of each endpoint are being made."""

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, endpoint_id: str) -> Iterator[bool]:
        """Whether one more call may be made, which then counts to the end of the block."""
        with self._lock:
            free = self._calls[endpoint_id] < self._calls_max
            if free:
                self._calls[endpoint_id] += 1
        try:
            yield free
        finally:
            if free:
                self._given_back(endpoint_id)

    def _given_back(self, endpoint_id: str) -> None:
        with self._lock:
            self._calls[endpoint_id] -= 1
            if not self._calls[endpoint_id]:
                del self._calls[endpoint_id]  # endpoints come and go


def _origin(delivery: Delivery) -> Origin:
    return Origin(delivery.tenant, ACTOR, delivery.correlation, delivery.last_event_id, delivery.trace)

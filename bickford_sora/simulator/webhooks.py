"""Tells an endpoint that a job has ended, where the flavour's server does so: what it says is the flavour's."""

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx
import structlog

from bickford_sora.egress import usual_authorities
from bickford_sora.simulator.faults import Fault, FaultKind, FaultPlan
from bickford_sora.simulator.flavours import OpenAI
from bickford_sora.simulator.jobs import Job
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.signatures import check_secret
from ledger.clock import Clock

DELIVERIES_KEPT_MAX = 10_000

Outcome = Literal["delivered", "refused", "unreachable", "lost"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WebhookTarget:
    """Where events go and the secret they are signed with."""

    url: str
    secret: str


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver, or the decision not to. `status` is the endpoint's answer, if it gave one."""

    webhook_id: str
    type: str
    video_id: str
    attempt: int
    outcome: Outcome
    status: int | None


@dataclass(frozen=True)
class _Event:
    webhook_id: str
    type: str
    video_id: str
    body: bytes


class WebhookSender:
    """Delivers at least once, retries what is not answered 2xx, and keeps a record of every attempt.

    The webhook-id is the same over all attempts and the timestamp is new for each.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        flavour: OpenAI,
        faults: FaultPlan,
        clock: Clock,
        new_token: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._flavour = flavour
        self._faults = faults
        self._clock = clock
        self._new_token = new_token
        self._target: WebhookTarget | None = None
        self._record_lock = threading.Lock()
        self._deliveries: deque[Delivery] = deque(maxlen=DELIVERIES_KEPT_MAX)
        self._held: list[asyncio.Event] = []
        self._client: httpx.AsyncClient | None = None
        self.reset()

    def reset(self) -> None:
        """Deliver where the settings say, and forget the record.

        Raises:
            ValueError: when the settings name an endpoint without a fit secret.
        """
        with self._record_lock:
            self._deliveries.clear()
        self._target = None
        if self._settings.webhook_url is not None:
            self.send_to(url=self._settings.webhook_url, secret=self._settings.webhook_secret or "")

    def send_to(self, *, url: str, secret: str) -> None:
        """Deliver to this endpoint from now on.

        Raises:
            ValueError: when the secret is empty or starts with ``whsec_`` and is not base64.
        """
        check_secret(secret)
        self._target = WebhookTarget(url=url, secret=secret)

    def deliveries(self) -> list[Delivery]:
        """Every attempt, oldest first (the last 10,000)."""
        with self._record_lock:
            return list(self._deliveries)

    async def open(self) -> None:
        """Get ready to deliver."""
        self._client = httpx.AsyncClient(
            timeout=self._settings.webhook_timeout_s, verify=usual_authorities(), trust_env=False
        )

    async def close(self) -> None:
        """Let go of every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def announce(self, job: Job) -> None:
        """Deliver the end of a job, with whatever faults strike it. Returns when no further attempt will be made."""
        target = self._target_of(job)
        if target is None:
            return
        event = self._event_of(job)
        if self._struck(FaultKind.WEBHOOK_LOST, job):
            self._record(event, attempt=0, outcome="lost", status=None)
            return
        if fault := self._struck(FaultKind.WEBHOOK_DELAYED, job):
            await asyncio.sleep(fault.delay_s)
        if self._struck(FaultKind.WEBHOOK_WRONGLY_SIGNED, job):
            target = WebhookTarget(url=target.url, secret=secrets.token_hex(32))
        if fault := self._struck(FaultKind.WEBHOOK_REORDERED, job):
            await self._hold(fault.delay_s)
        copies = 2 if self._struck(FaultKind.WEBHOOK_DUPLICATED, job) else 1
        for _ in range(copies):
            await self._deliver(event, target)
        self._release_held()

    def _struck(self, kind: FaultKind, job: Job) -> Fault | None:
        return self._faults.take(kind, job.made_by, job.scene.prompt)

    def _target_of(self, job: Job) -> WebhookTarget | None:
        """The endpoint that the job itself names goes before the one for all; both are signed with one secret."""
        if not self._flavour.calls_back:
            return None
        named = self._flavour.callback_url(job)
        secret = self._target.secret if self._target else self._settings.webhook_secret
        return WebhookTarget(url=named, secret=secret) if named and secret else self._target

    def _event_of(self, job: Job) -> _Event:
        body = self._flavour.event(job, token=self._new_token(), now=int(self._clock().timestamp()))
        return _Event(
            webhook_id=f"wh_{self._new_token()}",
            type=body["type"],
            video_id=job.id,
            body=json.dumps(body, separators=(",", ":")).encode(),
        )

    async def _hold(self, longest_s: float) -> None:
        released = asyncio.Event()
        self._held.append(released)
        try:
            await asyncio.wait_for(released.wait(), longest_s)
        except TimeoutError:
            log.info("webhook_held_longest", held_s=longest_s)
        finally:
            self._held.remove(released)

    def _release_held(self) -> None:
        for released in self._held:
            released.set()

    async def _deliver(self, event: _Event, target: WebhookTarget) -> None:
        for attempt in range(1, self._settings.webhook_attempts_max + 1):
            if attempt > 1:
                await asyncio.sleep(self._settings.webhook_backoff_s * 2 ** (attempt - 2))
            status = await self._post(event, target)
            if status is not None and 200 <= status < 300:  # noqa: PLR2004 - the 2xx class acknowledges
                self._record(event, attempt=attempt, outcome="delivered", status=status)
                return
            self._record(event, attempt=attempt, outcome="refused" if status else "unreachable", status=status)

    async def _post(self, event: _Event, target: WebhookTarget) -> int | None:
        if self._client is None:
            raise RuntimeError("open() comes before announce()")
        timestamp = int(self._clock().timestamp())
        signed = self._flavour.signed(target.secret, webhook_id=event.webhook_id, timestamp=timestamp, body=event.body)
        headers = {"content-type": "application/json", **signed}
        try:
            answer = await self._client.post(target.url, content=event.body, headers=headers)
        except httpx.TransportError as error:
            log.info("webhook_unreachable", reason=type(error).__name__)
            return None
        return answer.status_code

    def _record(self, event: _Event, *, attempt: int, outcome: Outcome, status: int | None) -> None:
        delivery = Delivery(
            webhook_id=event.webhook_id,
            type=event.type,
            video_id=event.video_id,
            attempt=attempt,
            outcome=outcome,
            status=status,
        )
        with self._record_lock:
            self._deliveries.append(delivery)

"""Histories to benchmark with: renders from their intent to their stored files, mixed as in a busy ledger.

With them goes what a server records beside them: money reserved and settled, a key and an endpoint now and then, and a
delivery for some.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, count, zip_longest
from uuid import UUID

from ledger import events as e
from ledger import streams
from ledger.envelope import Context, Event, Fact, Sealed
from ledger.identifiers import new_uuid7

RENDERS_AT_ONCE = 100
"""Renders whose events lie mixed in the ledger."""
REMIXES_EVERY = 10
DELIVERIES_EVERY = 10
EVENT_INTERVAL = timedelta(milliseconds=20)
START = datetime(2026, 1, 2, tzinfo=UTC)
TENANT = "acme"
RENDERER, CREDENTIAL, REPLICA = "vllm", "main", "https://renderer.example/v1"
SEALED_PROMPT = Sealed("c2VhbGVk" * 20)
SHA = "ab" * 32
COST = e.Money(amount_micro=400_000, currency="USD")
SPEND = streams.spend(TENANT)

Told = tuple[str, Fact]
"""A stream, and a fact in it."""


def events_of_renders() -> Iterator[Event]:
    """Renders without end, some hundred under way at a time, each fact with all its columns."""
    clock = _Clock(START)
    spent = Counter[str]()
    for _ in count():
        renders = [_Undertaking(clock, spent) for _ in range(RENDERS_AT_ONCE)]
        endpoint_id = streams.endpoint_id(new_uuid7(clock))
        for number, each in enumerate(renders):
            each.tell(source=renders[0].video_id if number % REMIXES_EVERY == 1 else None)
            if number % DELIVERIES_EVERY == 0:
                each.tell_of_delivery(endpoint_id)
        renders[0].tell_of_access(endpoint_id)
        rounds = zip_longest(*(each.events() for each in renders))
        yield from (event for event in chain.from_iterable(rounds) if event is not None)


@dataclass
class _Clock:
    now: datetime

    def __call__(self) -> datetime:
        self.now += EVENT_INTERVAL
        return self.now


class _Undertaking:
    """One render from its intent to its stored files, with its turn, its job's claim and one webhook."""

    def __init__(self, clock: _Clock, spent: Counter[str]) -> None:
        self._clock = clock
        self._spent = spent
        self._correlation = new_uuid7(clock)
        self.video_id = streams.video_id(new_uuid7(clock))
        self._told: list[Told] = []

    def events(self) -> Iterator[Event]:
        own = Counter[str]()
        cause: UUID | None = None
        for stream, fact in self._told:
            versions = self._spent if stream == SPEND else own
            versions[stream] += 1
            context = Context(TENANT, "key_1", self._clock(), self._correlation, cause, self._correlation.hex)
            event = Event(stream, versions[stream], new_uuid7(self._clock), context, fact)
            cause = event.event_id
            yield event

    def tell(self, *, source: str | None) -> None:
        """Decides what will happen; `source` is the video this one is a remix of."""
        render = streams.render(TENANT, self.video_id)
        job_id = f"job_{self.video_id}"
        turn = streams.submission(RENDERER, CREDENTIAL, self.video_id)
        self._told = [
            (render, self._intent(source)),
            (render, _allowed()),
            (SPEND, self._reserved()),
            (render, self._submission_started()),
            (turn, e.SubmissionOpened(video_id=self.video_id, attempt=1)),
            (render, _queued(job_id)),
            (streams.job(RENDERER, CREDENTIAL, job_id), self._job_claimed(job_id)),
            (turn, e.SubmissionClosed(video_id=self.video_id, attempt=1)),
            *((render, e.RenderProgress(status="in_progress", progress=percent)) for percent in (20, 50, 80)),
            self._webhook(job_id),
            (render, e.RenderCompleted(completed_at=self._clock.now, expires_at=self._clock.now + timedelta(hours=1))),
            (render, e.RenderStored(assets=tuple(map(self._asset, ("video", "thumbnail", "spritesheet"))))),
            (SPEND, e.SpendSettled(video_id=self.video_id, cost=COST)),
        ]

    def tell_of_delivery(self, endpoint_id: str) -> None:
        """An endpoint is told of the video, at the first attempt."""
        delivery_id = f"msg_{self.video_id}"
        stream = streams.delivery(TENANT, endpoint_id, delivery_id)
        scheduled = e.DeliveryScheduled(
            endpoint_id=endpoint_id,
            delivery_id=delivery_id,
            event_id=delivery_id,
            event_type="video.completed",
            project="films",
            video_id=self.video_id,
            created_at=self._clock.now,
            trigger_position=1,
        )
        attempted = e.DeliveryAttempted(
            endpoint_id=endpoint_id, delivery_id=delivery_id, attempt=1, http_status=200, delivered=True
        )
        self._told += [(stream, scheduled), (stream, attempted)]

    def tell_of_access(self, endpoint_id: str) -> None:
        """Before all else a key is issued and an endpoint made."""
        key_id = f"key_{self._correlation.hex[:16]}"
        issued = e.KeyIssued(key_id=key_id, project="films", requester="key_1", digest=SHA, roles=("requester",))
        created = e.EndpointCreated(
            endpoint_id=endpoint_id,
            project="films",
            requester="key_1",
            name=SEALED_PROMPT,
            url=SEALED_PROMPT,
            event_types=("video.completed",),
            secret=SEALED_PROMPT,
            secret_hint="abcd",
        )
        self._told[:0] = [(streams.key(TENANT, key_id), issued), (streams.endpoint(TENANT, endpoint_id), created)]

    def _reserved(self) -> e.SpendReserved:
        return e.SpendReserved(
            video_id=self.video_id,
            cost=COST,
            project="films",
            requester="key_1",
            key_id="key_1",
            model="sora-2",
            renderer=RENDERER,
            purpose="draft",
            tags=("spring",),
            seconds=4,
            day=self._clock.now.strftime("%Y-%m-%d"),
            minute=self._clock.now.strftime("%Y-%m-%dT%H:%M"),
        )

    def _asset(self, variant: e.Variant) -> e.Asset:
        sha256 = hashlib.sha256(f"{self.video_id} {variant}".encode()).hexdigest()
        return e.Asset(
            variant=variant,
            storage_uri=f"file:///assets/{sha256}",
            sha256=sha256,
            bytes=1_000_000,
            media_type="video/mp4" if variant == "video" else "image/webp",
            width=1280,
            height=720,
            made_by="renderer",
            has_c2pa=False,
        )

    def _intent(self, source: str | None) -> e.RenderIntent:
        return e.RenderIntent(
            video_id=self.video_id,
            project="films",
            requester="key_1",
            operation="remix" if source else "create",
            model="sora-2",
            seconds="4",
            size="1280x720",
            prompt=SEALED_PROMPT,
            remix_video_id=source,
        )

    def _submission_started(self) -> e.RenderSubmissionStarted:
        return e.RenderSubmissionStarted(
            attempt=1,
            renderer=RENDERER,
            credential=CREDENTIAL,
            replica=REPLICA,
            fingerprint=SHA,
            deadline_at=self._clock.now + timedelta(minutes=2),
        )

    def _job_claimed(self, job_id: str) -> e.JobClaimed:
        return e.JobClaimed(renderer=RENDERER, credential=CREDENTIAL, job_id=job_id, video_id=self.video_id)

    def _webhook(self, job_id: str) -> Told:
        received = e.WebhookReceived(
            renderer=RENDERER,
            webhook_event_id=f"wh_{self.video_id}",
            webhook_type="video.completed",
            job_id=job_id,
            job_stream=streams.job(RENDERER, CREDENTIAL, job_id),
            sent_at=self._clock.now,
            body_sha256=SHA,
        )
        return streams.webhook(RENDERER, CREDENTIAL, received.webhook_event_id), received


def _allowed() -> e.RenderAllowed:
    return e.RenderAllowed(
        verdict=e.Verdict(policy_hash=SHA, rules=("cap",), saw={"cost_micro": 400_000}),
        renderer=RENDERER,
        credential=CREDENTIAL,
        quote=e.Quote(cost=COST, prices_hash=SHA),
    )


def _queued(job_id: str) -> e.RenderQueued:
    return e.RenderQueued(
        attempt=1,
        renderer=RENDERER,
        credential=CREDENTIAL,
        replica=REPLICA,
        job_id=job_id,
        found_by="answer",
        status="queued",
        progress=0,
    )

"""Histories that may happen, written into a real ledger, and a look at what the projections made of them."""  # noqa: INP001

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from ledger import api_keys as key_fold
from ledger import deliveries as delivery_fold
from ledger import endpoints as endpoint_fold
from ledger import events as e
from ledger import lifecycle, streams
from ledger.application import Ledger
from ledger.envelope import Context, Decision, Event, Fact, Sealed
from ledger.identifiers import new_uuid7
from ledger.render import Phase, Render
from projections.port import Pool, Projection

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHA = "ab" * 32
VERDICT = e.Verdict(policy_hash=SHA, rules=("r1",), saw={"cost": 4})
QUOTE = e.Quote(cost=e.Money(amount_micro=400_000, currency="USD"), prices_hash=SHA)


@dataclass
class Tables:
    """What is in the live tables, row by row."""

    pool: Pool
    projections: Sequence[Projection]

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            f"{projection.name}.{table}": self.rows(projection, table)
            for projection in self.projections
            for table in projection.tables
        }

    def rows(self, projection: Projection, table: str) -> list[tuple[Any, ...]]:
        statement = sql.SQL("select * from {}").format(sql.Identifier(projection.schema, table))
        with self.pool.connection() as connection:
            return sorted(connection.execute(statement).fetchall(), key=repr)


@dataclass
class Author:
    """Writes renders into a ledger, each fact where the lifecycle lets it be."""

    ledger: Ledger
    tenant: str = "acme"
    job_prefix: str = "job"
    now: datetime = START
    renders: dict[str, Render] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    jobs: int = 0
    webhooks: int = 0
    waiting: list[tuple[str, Fact]] = field(default_factory=list)
    endpoints: dict[str, endpoint_fold.Endpoint] = field(default_factory=dict)
    deliveries: dict[str, delivery_fold.Delivery] = field(default_factory=dict)
    keys: dict[str, key_fold.ApiKey] = field(default_factory=dict)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=7)
        return self.now

    def intent(self, *, source: str | None = None, project: str = "film", requester: str = "ann") -> str:
        """A new render's stream; `source` is the video it is a remix of."""
        video_id = streams.video_id(new_uuid7(self.clock))
        stream = streams.render(self.tenant, video_id)
        fact = e.RenderIntent(
            video_id=video_id,
            project=project,
            requester=requester,
            operation="remix" if source else "create",
            model="sora-2",
            seconds="4",
            size="1280x720",
            prompt=Sealed("c2VhbGVk"),
            remix_video_id=source,
        )
        self.write(stream, fact)
        return stream

    def write(self, stream: str, *facts: Fact) -> None:
        """Takes facts down, in order; `flush` appends them as one decision."""
        for fact in facts:
            self.waiting.append((stream, fact))
            self._fold(stream, fact)

    def _fold(self, stream: str, fact: Fact) -> None:
        at = Context(self.tenant, "worker", self.now)
        event = Event(stream, self._version(stream), new_uuid7(self.clock), at, fact)
        if stream.startswith("render:"):
            self.renders[stream] = lifecycle.evolve(self.renders.get(stream), event)
        elif stream.startswith("endpoint:"):
            self.endpoints[stream] = endpoint_fold.evolve(self.endpoints.get(stream), event)
        elif stream.startswith("key:"):
            self.keys[stream] = key_fold.evolve(self.keys.get(stream), event)
        elif stream.startswith("delivery:"):
            self.deliveries[stream] = delivery_fold.evolve(self.deliveries.get(stream), event)

    def _version(self, stream: str) -> int:
        return self.heads.get(stream, 0) + sum(1 for written, _ in self.waiting if written == stream)

    def flush(self) -> int:
        """Appends what was taken down. Returns the last position."""
        facts, self.waiting = self.waiting, []
        if facts:
            written = {stream for stream, _ in facts}
            heads = {stream: self.heads.get(stream, 0) for stream in written}
            context = Context(self.tenant, "worker", self.clock(), trace="0a" * 16)
            decision = Decision.of(facts, heads=heads, context=context, new_id=lambda: new_uuid7(self.clock))
            self.ledger.append(decision)
            self.heads.update({event.stream: event.version for event in decision.events})
        return self.ledger.head()

    # --- facts ------------------------------------------------------------------------------

    def allow(self, stream: str) -> None:
        self.write(stream, e.RenderAllowed(verdict=VERDICT, renderer="openai", credential="main", quote=QUOTE))

    def start_submission(self, stream: str) -> None:
        attempt = self.renders[stream].attempts + 1
        self.write(
            stream,
            e.RenderSubmissionStarted(
                attempt=attempt,
                renderer="openai",
                credential="main",
                replica="http://localhost:1",
                fingerprint=SHA,
                deadline_at=self.now + timedelta(minutes=2),
            ),
        )

    def queue(self, stream: str, job_id: str | None = None) -> str:
        """Returns the stream of the job that was claimed."""
        self.jobs += 1
        job_id = job_id or f"{self.job_prefix}-{self.jobs}"
        self.write(
            stream,
            e.RenderQueued(
                attempt=max(1, self.renders[stream].attempts),
                renderer="openai",
                credential="main",
                replica="http://localhost:1",
                job_id=job_id,
                found_by="answer",
                status="queued",
                progress=0,
            ),
        )
        job_stream = streams.job("openai", "main", job_id)
        video_id = self.renders[stream].intent.video_id
        self.write(job_stream, e.JobClaimed(renderer="openai", credential="main", job_id=job_id, video_id=video_id))
        return job_stream

    def store(self, stream: str) -> None:
        digest = streams.render(self.tenant, self.renders[stream].intent.video_id)[-32:] * 2
        asset = e.Asset(
            variant="video",
            storage_uri=f"file:///assets/{digest}",
            sha256=digest,
            bytes=1_234,
            media_type="video/mp4",
            width=1280,
            height=720,
            made_by="renderer",
            has_c2pa=False,
        )
        poster = asset.model_copy(update={"variant": "thumbnail", "media_type": "image/webp"})
        self.write(stream, e.RenderStored(assets=(poster, asset)))

    def webhook(self, job_id: str) -> None:
        self.webhooks += 1
        webhook_event_id = f"wh_{self.webhooks}"
        self.write(
            streams.webhook("openai", "main", webhook_event_id),
            e.WebhookReceived(
                renderer="openai",
                webhook_event_id=webhook_event_id,
                webhook_type="video.completed",
                job_id=job_id,
                job_stream=streams.job("openai", "main", job_id),
                sent_at=self.now,
                body_sha256=SHA,
            ),
        )

    def spend(self, stream: str) -> None:
        video_id = self.renders[stream].intent.video_id
        self.write(f"spend:{self.tenant}", e.SpendReserved(video_id=video_id, cost=QUOTE.cost))

    def endpoint(self, *, project: str = "film", event_types: tuple[str, ...] = ("video.completed",)) -> str:
        """A new webhook endpoint's stream."""
        endpoint_id = streams.endpoint_id(new_uuid7(self.clock))
        stream = streams.endpoint(self.tenant, endpoint_id)
        sealed = Sealed("c2VhbGVk")
        self.write(
            stream,
            e.EndpointCreated(
                endpoint_id=endpoint_id,
                project=project,
                requester="ann",
                name=sealed,
                url=sealed,
                event_types=event_types,
                secret=sealed,
                secret_hint="…abcd",
            ),
        )
        return stream

    def key(self, project: str = "film", expires_at: datetime | None = None) -> str:
        """A new API key's stream."""
        digest = f"{len(self.keys):016x}" + "0" * 48
        key_id = f"key_{digest[:16]}"
        stream = streams.key(self.tenant, key_id)
        fact = e.KeyIssued(
            key_id=key_id,
            project=project,
            requester="ann",
            digest=digest,
            name=Sealed("c2VhbGVk"),
            roles=("requester", "admin"),
            spans_tenant=True,
            may_assert_requester=True,
            expires_at=expires_at,
        )
        self.write(stream, fact)
        return stream

    def deliver(self, endpoint: str, event_id: str, video_id: str | None = None) -> str:
        """A new delivery's stream."""
        told = self.endpoints[endpoint]
        stream = streams.delivery(self.tenant, told.endpoint_id, event_id)
        self.write(
            stream,
            e.DeliveryScheduled(
                endpoint_id=told.endpoint_id,
                delivery_id=f"wh_{len(self.deliveries)}",
                event_id=event_id,
                event_type="video.completed",
                project=told.project,
                video_id=video_id,
                created_at=self.now,
                trigger_position=1,
            ),
        )
        return stream

    def attempt(self, delivery: str, *, http_status: int) -> None:
        """An attempt; anything but 200 is tried again a minute later."""
        state = self.deliveries[delivery]
        delivered = http_status == 200
        self.write(
            delivery,
            e.DeliveryAttempted(
                endpoint_id=state.scheduled.endpoint_id,
                delivery_id=state.scheduled.delivery_id,
                attempt=state.attempts + 1,
                http_status=http_status,
                delivered=delivered,
                code=None if delivered else f"http_{http_status}",
                retry_at=None if delivered else self.now + timedelta(minutes=1),
            ),
        )

    def queued_render(self, job_id: str | None = None) -> str:
        """A render that the renderer has."""
        stream = self.intent()
        self.allow(stream)
        self.start_submission(stream)
        self.queue(stream, job_id)
        return stream

    def stored_render(self, source: str | None = None) -> str:
        """A render with a finished video."""
        stream = self.intent(source=source)
        self.allow(stream)
        self.start_submission(stream)
        self.queue(stream)
        self.write(stream, e.RenderCompleted())
        self.store(stream)
        return stream

    # --- anything that may happen -----------------------------------------------------------

    def anything(self, choice: random.Random) -> None:
        """One more step of the world, chosen by `choice`."""
        self.clock()
        stored = [each for each in self.renders.values() if each.phase is Phase.STORED]
        deeds: list[Callable[[], object]] = [
            lambda: self.intent(project=choice.choice(["film", "game"]), requester=choice.choice(["ann", "bob"])),
            lambda: self.webhook(f"{self.job_prefix}-{choice.randint(1, 2 + self.jobs)}"),
        ]
        deeds += [self.endpoint, lambda: self._tell(choice), lambda: self._key(choice)]
        if stored:
            deeds.append(lambda: self._remix(choice.choice(stored).stream))
        if self.renders:
            going_on = [each.stream for each in self.renders.values() if not each.ended]
            stream = choice.choice(going_on if going_on and choice.random() < 0.7 else list(self.renders))
            deeds += [lambda: self.spend(stream)] + [lambda: self._follow(stream, choice)] * 12
        choice.choice(deeds)()

    def _key(self, choice: random.Random) -> None:
        """Something that may happen to an API key."""
        there = [stream for stream, each in self.keys.items() if each.revoked_at is None]
        if not there or choice.random() < 0.4:
            self.key(choice.choice(["film", "game"]), choice.choice([None, self.now + timedelta(days=1)]))
            return
        key = self.keys[choice.choice(there)]
        if key.replaced_by is None and choice.random() < 0.5:
            ends = self.now + timedelta(hours=1)
            fact = e.KeyRotated(key_id=key.key_id, project=key.project, new_key_id="key_new", expires_at=ends)
            self.write(key.stream, fact)
        else:
            self.write(key.stream, e.KeyRevoked(key_id=key.key_id, project=key.project))

    def _tell(self, choice: random.Random) -> None:
        """Something that may happen to an endpoint or a delivery."""
        there = [each for each in self.endpoints.values() if not each.deleted]
        pending = [each.stream for each in self.deliveries.values() if not each.ended]
        if not there:
            return
        stream = choice.choice(there).stream
        sealed = Sealed("bmV3")
        facts: list[Fact] = [
            e.EndpointUpdated(name=sealed, event_types=("video.failed",)),
            e.EndpointSecretRotated(secret=sealed, secret_hint="…wxyz", old_secret_until=self.now),
            e.EndpointDisabled(reason="gone_410"),
            e.EndpointEnabled(reason="updated"),
            e.EndpointDeleted(),
        ]
        deeds: list[Callable[[], object]] = [
            lambda: self.write(stream, choice.choice(facts)),
            lambda: self.deliver(stream, f"evt_{len(self.deliveries)}"),
        ]
        if pending:
            deeds += [
                lambda: self.attempt(choice.choice(pending), http_status=choice.choice([200, 500])),
                lambda: self.write(choice.choice(pending), e.DeliveryGivenUp(reason="retries_exhausted")),
            ]
        choice.choice(deeds)()

    def _remix(self, source: str) -> None:
        child = self.intent(source=self.renders[source].intent.video_id)
        self.write(source, e.RenderRemixed(remix_video_id=self.renders[child].intent.video_id))

    def _follow(self, stream: str, choice: random.Random) -> None:
        """Any fact that may follow, the way forward more often than trouble."""
        state = self.renders[stream]
        makers: dict[type[Fact], Callable[[], object]] = {
            e.RenderAllowed: lambda: self.allow(stream),
            e.RenderSubmissionStarted: lambda: self.start_submission(stream),
            e.RenderQueued: lambda: self.queue(stream),
            e.RenderStored: lambda: self.store(stream),
        }
        facts = {type(fact): fact for fact in self._plain_facts(state, choice)}
        possible = [kind for kind in (*makers, *facts) if lifecycle.may_follow(state, kind)]
        seldom = {e.RenderAttemptFailed, e.RenderDuplicateFound}
        possible = [kind for kind in possible if kind not in seldom or choice.random() < 0.2] or possible
        forward = [kind for kind in possible if kind in makers or kind in (e.RenderProgress, e.RenderCompleted)]
        kind = choice.choice(forward if forward and choice.random() < 0.6 else possible)
        if kind in makers:
            makers[kind]()
        else:
            self.write(stream, facts[kind])

    def _plain_facts(self, state: Render, choice: random.Random) -> list[Fact]:
        attempt = max(1, state.attempts)
        retry_at = choice.choice([None, self.now + timedelta(seconds=30)])
        return [
            e.RenderDenied(verdict=VERDICT, code="budget", message="too dear"),
            e.RenderApprovalRequested(approval_id="a1", verdict=VERDICT),
            e.RenderApproved(approval_id="a1", approver="eve"),
            e.RenderSubmissionRefused(attempt=attempt, code="busy", http_status=429, retry_at=retry_at),
            e.RenderSubmissionUnknown(attempt=attempt, code="timeout"),
            e.RenderSubmissionAbsent(attempt=attempt, jobs_searched=3),
            e.RenderProgress(status="in_progress", progress=choice.randint(0, 99)),
            e.RenderCompleted(completed_at=self.now),
            e.RenderFailed(code="moderation", message=Sealed("bm8="), failed_by="renderer"),
            e.RenderAssetLost(code="expired"),
            e.RenderJobLost(job_id="job-1", http_status=404, on_lost=choice.choice([None, "hold"])),
            e.RenderResubmitted(attempt=attempt, doubt="lost" if state.phase is Phase.LOST else "unknown"),
            e.RenderAdopted(attempt=attempt, job_id="job-1", decided_by="eve"),
            e.RenderAbandoned(attempt=attempt, doubt="lost" if state.phase is Phase.LOST else "unknown"),
            e.RenderCancelled(reason="operator"),
            e.RenderDeleted(),
            e.RenderPurged(renderer_copy="deleted", assets_deleted=2),
            e.RenderReviewed(verdict="approved", clarity=1, continuity=1, brand_fit=1, review_time_s=9),
            e.RenderAttemptFailed(step="follow", code="busy", retry_at=retry_at),
            e.RenderDuplicateFound(job_id="job-2", cancelled=True),
        ]


def insert_raw(url: str, stream: str, version: int, type_name: str, payload: bytes) -> int:
    """An event as a newer or broken program would have stored it. Returns its position."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "insert into ledger.events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, "
            "actor, payload) select coalesce(max(position), 0) + 1, %s, %s, %s, gen_random_uuid(), clock_timestamp(), "
            "clock_timestamp(), 'acme', 'worker', %s from ledger.events returning position",
            (stream, version, type_name, payload),
        ).fetchone()
    assert row is not None
    return int(row[0])

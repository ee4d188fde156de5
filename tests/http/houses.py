"""A house over a ledger in memory, and shortcuts through a render's life."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import anyio
import httpx
from fastapi import FastAPI
from PIL import Image as Picture

from bickford_sora import webhook_signatures
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.callers import Callers
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.intent import Route
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.request import Offer
from bickford_sora.http.app import create_app
from bickford_sora.http.house import House, Limits
from bickford_sora.intake import Desk, Intake
from bickford_sora.observations import Observations
from bickford_sora.recording import Origin, Recording
from bickford_sora.references import References, asset_subject
from bickford_sora.webhook_intake import WebhookIntake, WebhookSource
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Fact
from ledger.events import (
    Asset,
    RenderCompleted,
    RenderFailed,
    RenderProgress,
    RenderQueued,
    RenderStored,
    RenderSubmissionStarted,
)
from ledger.identifiers import id_maker
from ledger.keys import Keys, MemoryKeyStore
from ledger.lifecycle import Render
from ledger.memory import MemoryRecorder
from projections.videos import Page, Video, rows

KEY = "bk_live_alpha_key"
OTHER_KEY = "bk_live_beta_key"
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
BODY_BYTES_MAX = 1_000_000


class FoldedVideos:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, tenant: str, project: str, video_id: str) -> Video | None:
        return next((each for each in self._rows(tenant, project) if each.video_id == video_id), None)

    def page(
        self,
        tenant: str,
        project: str,
        after_video_id: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Page:
        assert 1 <= limit <= 100
        shown = [each for each in self._rows(tenant, project) if each.deleted_at is None and each.phase != "denied"]
        shown.sort(key=lambda each: each.video_id, reverse=order == "desc")
        if after_video_id is not None:
            shown = [each for each in shown if (each.video_id > after_video_id) == (order == "asc")]
            shown = [each for each in shown if each.video_id != after_video_id]
        return Page(tuple(shown[:limit]), has_more=len(shown) > limit)

    def _rows(self, tenant: str, project: str) -> Iterator[Video]:
        found = {event.stream for event in self._ledger.read(0, limit=10_000) if event.stream.startswith("render:")}
        for stream in sorted(found):
            for _, (_, *row) in rows(stream, self._ledger.history(stream)):
                video = Video(*row)
                if (video.tenant, video.project) == (tenant, project):
                    yield video


class SettableClock:
    """A clock that moves a millisecond at every look, so that ids are in the order of their making."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Kit:
    """The house under test and what it stands on."""

    ledger: Ledger
    recorder: MemoryRecorder
    keys: Keys
    recording: Recording
    assets: MemoryAssetStore
    clock: SettableClock
    house: House
    app: FastAPI
    problems: list[str]
    waits: list[float]

    def request(self, method: str, path: str, *, key: str | None = KEY, **options: Any) -> httpx.Response:
        """One request, without a socket."""
        headers = httpx.Headers(options.pop("headers", None))
        if key is not None:
            headers["authorization"] = f"Bearer {key}"

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
                return await client.request(method, path, headers=headers, **options)

        return anyio.run(ask)

    def create(self, prompt: str = "A calm sea", *, key: str = KEY, **fields: str) -> str:
        """The id of a new video."""
        answer = self.request("POST", "/v1/videos", key=key, json={"prompt": prompt, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def render(self, video_id: str) -> Render:
        return self.recording.render(streams.render("main", video_id))

    def record(self, video_id: str, *facts: Fact) -> None:
        """Appends facts to a render, as a worker would."""
        render = self.render(video_id)
        draft = Draft(tuple((render.stream, fact) for fact in facts), {render.stream: render.version})
        self.recording.append(draft, Origin.of(render, "worker"))

    def submit(self, video_id: str) -> None:
        place: dict[str, Any] = {"renderer": "openai", "credential": "openai-default", "replica": "http://renderer"}
        deadline = NOW + timedelta(minutes=1)
        self.record(
            video_id,
            RenderSubmissionStarted(attempt=1, fingerprint="0" * 64, deadline_at=deadline, **place),
            RenderQueued(attempt=1, job_id="job_1", found_by="answer", status="queued", progress=0, **place),
        )

    def progress(self, video_id: str, percent: int) -> None:
        self.record(video_id, RenderProgress(status="in_progress", progress=percent))

    def fail(self, video_id: str, code: str = "moderation_blocked", message: str | None = None) -> None:
        requester = self.render(video_id).intent.requester
        sealed = message and self.keys.seal(
            message, requester=requester, subject=video_id, field="render.failed.message"
        )
        self.record(video_id, RenderFailed(code=code, message=sealed, failed_by="renderer"))

    def complete(self, video_id: str) -> None:
        self.record(video_id, RenderCompleted(completed_at=NOW + timedelta(minutes=2)))

    def store(self, video_id: str, content: bytes = b"0123456789" * 100) -> Asset:
        asset = self.asset(video_id, content)
        self.record(video_id, RenderStored(assets=(asset,)))
        return asset

    def asset(self, video_id: str, content: bytes) -> Asset:
        stored = self.assets.put(asset_subject(video_id), [content], bytes_max=10_000_000)
        return Asset(
            variant="video",
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type="video/mp4",
            width=720,
            height=1280,
            made_by="renderer",
            has_c2pa=False,
        )

    def finished(self, content: bytes = b"0123456789" * 100) -> str:
        """The id of a new video that is completed and stored."""
        video_id = self.create()
        self.submit(video_id)
        self.complete(video_id)
        self.store(video_id, content)
        return video_id


def make_kit(*, policy: Policy | None = None, clock: SettableClock | None = None, **limits: Any) -> Kit:
    clock = clock or SettableClock()
    recorder = MemoryRecorder(clock)
    ledger = Ledger(recorder)
    keys = Keys(b"m" * 32, MemoryKeyStore())
    recording = Recording(ledger, clock=clock, new_id=id_maker(clock))
    assets = MemoryAssetStore(read_chunk_bytes_max=256)
    inspector = MediaInspector(limits=MediaLimits())
    offer = Offer(("sora-2", "sora-2-pro"), ("4", "8", "12"), ("720x1280", "1280x720"), 32_000)
    desk = Desk(
        recording=recording,
        keys=keys,
        references=References(assets, inspector, keys, reference_bytes_max=500_000),
        offer=offer,
        policy=policy or Policy(),
        route=Route("openai", "openai-default"),
    )
    problems: list[str] = []
    waits: list[float] = []

    def wait_for_videos(timeout_s: float) -> bool:
        waits.append(timeout_s)
        return True

    def ready() -> Sequence[str]:
        return problems

    house = House(
        intake=Intake(desk),
        observations=Observations(recording, keys),
        webhooks=WebhookIntake(
            recording,
            {"openai": WebhookSource("openai-default", (WEBHOOK_SECRET,)), "silent": WebhookSource("none", ())},
            tenant="main",
            webhook_tolerance_s=300,
        ),
        callers=Callers({KEY: "alpha", OTHER_KEY: "beta"}, digest=keys.digest),
        keys=keys,
        videos=FoldedVideos(ledger),
        wait_for_videos=wait_for_videos,
        assets=assets,
        ready=ready,
        new_id=id_maker(clock),
        limits=Limits(**{"body_bytes_max": BODY_BYTES_MAX, "projection_wait_s": 2.0, "poll_after_ms": 1234, **limits}),
    )
    return Kit(ledger, recorder, keys, recording, assets, clock, house, create_app(house), problems, waits)


def error_of(answer: httpx.Response) -> tuple[int, str, str | None, str]:
    """Status, type, param and code of an error in the protocol's shape."""
    body = answer.json()
    assert set(body["error"]) == {"message", "type", "param", "code"}, body
    assert body["error"]["message"]
    assert "videos" not in body["error"]["message"].lower()
    assert answer.headers["x-request-id"].startswith("req_")
    return answer.status_code, body["error"]["type"], body["error"]["param"], body["error"]["code"]


def png(width: int = 720, height: int = 1280) -> bytes:
    buffer = io.BytesIO()
    Picture.new("RGB", (width, height), (10, 20, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def webhook(
    event_id: str = "wh_1", *, body: bytes | None = None, sent_at: datetime = NOW, secret: str = WEBHOOK_SECRET
) -> tuple[bytes, dict[str, str]]:
    """A signed webhook: body and headers."""
    event = {"id": "evt_1", "object": "event", "type": "video.completed", "data": {"id": "job_1"}}
    body = json.dumps(event).encode() if body is None else body
    return body, webhook_signatures.sign(body, webhook_id=event_id, sent_at=sent_at, secrets=[secret])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

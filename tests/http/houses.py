"""A house over a ledger in memory, and shortcuts through a render's life."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import anyio
import httpx
from fastapi import FastAPI
from PIL import Image as Picture
from starlette import routing

from bickford_sora import webhook_signatures
from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, Route
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.prices import LIST_PRICES
from bickford_sora.decisions.routing import IsStopped
from bickford_sora.four_eyes import FourEyes
from bickford_sora.http.app import add_routes, without_routes
from bickford_sora.http.house import House
from bickford_sora.http.links import Links
from bickford_sora.http.rate_limits import RateLimit
from bickford_sora.http.readiness import Readiness
from bickford_sora.recording import Origin, Recording
from bickford_sora.references import asset_subject
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Renderer
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Fact
from ledger.events import (
    Asset,
    RenderCompleted,
    RenderExpired,
    RenderFailed,
    RenderProgress,
    RenderQueued,
    RenderStored,
    RenderSubmissionStarted,
)
from ledger.events.changes import Kind
from ledger.identifiers import id_maker
from ledger.keys import Keys
from ledger.memory import MemoryRecorder
from ledger.proof.checkpoints import origin_of
from ledger.proof.memory import MemoryTree
from ledger.proof.notes import Signer
from ledger.proof.port import KeptCheckpoint
from ledger.proof.sequencer import Sequencer
from ledger.render import Render
from tests.http.folded_audit import FoldedAudit
from tests.http.rooms import (
    APPROVAL_S,
    BODY_BYTES_MAX,
    CALL_S,
    FOREIGN_KEY,
    FOREIGN_ROOT_KEY,
    KEY,
    LINK_S,
    NOW,
    OTHER_KEY,
    ROOT_KEY,
    SOURCE_BYTES_MAX,
    WEBHOOK_SECRET,
    SettableClock,
    administration,
    asking,
    limits_of,
    looking,
    make_desk,
    make_ground,
    read_model_waits,
)

__all__ = [
    "APPROVAL_S",
    "BODY_BYTES_MAX",
    "CALL_S",
    "FOREIGN_KEY",
    "FOREIGN_ROOT_KEY",
    "KEY",
    "LINK_S",
    "NOW",
    "OTHER_KEY",
    "ROOT_KEY",
    "SOURCE_BYTES_MAX",
    "WEBHOOK_SECRET",
    "Kit",
    "SettableClock",
    "catalogue",
    "error_of",
    "make_kit",
    "offer",
    "png",
    "sha256",
    "signer_of",
    "webhook",
]

_PREPARED: list[routing.BaseRoute] = []
"""The routes, which are the same in every house, of the first house of the run."""


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

    def fall_behind(self, facts: int) -> None:
        """From now on the audit lacks the last facts, and spend is said to."""
        lacks = dict.fromkeys(("wait_for_audit", "wait_for_questions", "wait_for_spend"), lambda _: facts)
        self.house = self.app.state.house = replace(self.house, **lacks)
        query = self.house.audits.query
        assert isinstance(query, FoldedAudit)
        query.lacks = facts

    def issue(self, *roles: str, by: str = KEY, **fields: Any) -> str:
        """A new API key with these roles, to be used."""
        asked = {"name": "Ours", "roles": [*roles], **fields}
        answer = self.request("POST", "/v1/api_keys", key=by, json=asked)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["secret"])

    def second_admin(self, **fields: Any) -> str:
        """Another admin of the tenant main, whoever has to agree to admins."""
        careful = self.house.api_keys
        self.house = self.app.state.house = replace(self.house, api_keys=replace(careful, four_eyes=self.nobody_else))
        secret = self.issue("admin", by=ROOT_KEY, spans_tenant=True, **fields)
        self.house = self.app.state.house = replace(self.house, api_keys=careful)
        return secret

    @property
    def nobody_else(self) -> FourEyes:
        """Four eyes for nothing."""
        return FourEyes(recording=self.recording, keys=self.keys)

    def checkpoint(self) -> KeptCheckpoint:
        """A checkpoint of everything there is."""
        tree = cast("MemoryTree", self.house.proofs.tree)
        return Sequencer(tree, clock=self.clock, signer=signer_of, interval_s=1).take()

    def pass_time(self, seconds: float) -> None:
        """Lets time pass."""
        self.clock.now += timedelta(seconds=seconds)

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
        self.recording.append(draft, Origin.of(render, "worker"), on=render)

    def append(self, stream: str, *facts: Fact) -> None:
        """Appends facts to a stream that exists."""
        head = len(self.ledger.history(stream))
        self.recording.append(Draft(tuple((stream, fact) for fact in facts), {stream: head}), Origin("main", "worker"))

    def submit(self, video_id: str, *, job_id: str = "job_1") -> None:
        place: dict[str, Any] = {"renderer": "openai", "credential": "openai-default", "replica": "http://renderer"}
        deadline = NOW + timedelta(minutes=1)
        self.record(
            video_id,
            RenderSubmissionStarted(attempt=1, fingerprint="0" * 64, deadline_at=deadline, **place),
            RenderQueued(attempt=1, job_id=job_id, found_by="answer", status="queued", progress=0, **place),
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

    def store(
        self,
        video_id: str,
        content: bytes = b"0123456789" * 100,
        *,
        others: Sequence[bytes] = (),
        expires_at: datetime | None = None,
    ) -> Asset:
        """`others` are the further outputs."""
        asset = self.asset(video_id, content)
        more = tuple(self.asset(video_id, each, output) for output, each in enumerate(others, start=1))
        self.record(video_id, RenderStored(assets=(asset, *more), expires_at=expires_at))
        return asset

    def expire(self, video_id: str) -> None:
        for asset in self.render(video_id).assets:
            self.assets.delete(asset.storage_uri)
        self.record(video_id, RenderExpired(assets_deleted=1))

    def asset(self, video_id: str, content: bytes, output: int = 0) -> Asset:
        stored = self.assets.put(asset_subject(video_id), [content], bytes_max=10_000_000)
        return Asset(
            variant="video",
            output=output,
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type="video/mp4",
            width=720,
            height=1280,
            made_by="renderer",
            has_c2pa=False,
        )

    def finished(self, content: bytes = b"0123456789" * 100, **stored: Any) -> str:
        """The id of a new video that is completed and stored."""
        video_id = self.create()
        self.submit(video_id)
        self.complete(video_id)
        self.store(video_id, content, **stored)
        return video_id


def signer_of(ledger_id: UUID) -> Signer:
    """Who signs the house's checkpoints."""
    return Signer(origin_of(ledger_id), b"l" * 32)


def offer(model: str = "sora-2", **change: Any) -> ModelOffer:
    """What the house's renderer offers."""
    offered: dict[str, Any] = {
        "renderer": "openai",
        "credential": "openai-default",
        "model": model,
        "served_model": model,
        "capabilities": CAPABILITIES,
        "sizes": ("720x1280", "1280x720"),
        "seconds": ("4", "8", "12"),
        "prices": (LIST_PRICES[model],) if model in LIST_PRICES else (),
    }
    return ModelOffer(**{**offered, **change})


def catalogue(*offers: ModelOffer) -> Catalogue:
    """These offers, one route for each model."""
    found = offers or (offer("sora-2"), offer("sora-2-pro"))
    models = dict.fromkeys(each.model for each in found)
    routes = {model: Route(tuple(each for each in found if each.model == model)) for model in models}
    return Catalogue(routes, "c" * 64)


def _app(house: House) -> FastAPI:
    """The house's application, with routes that were made once: that takes longer than most tests."""
    app = without_routes(house)
    own = [*app.routes]  # the pages that describe it
    if not _PREPARED:
        add_routes(app)
        _PREPARED.extend(route for route in app.routes if route not in own)
    app.router.routes[:] = [*own, *_PREPARED]
    return app


def make_kit(
    *,
    policy: Policy | None = None,
    clock: SettableClock | None = None,
    four_eyes: Sequence[Kind] = (),
    offers: Catalogue | None = None,
    is_stopped: IsStopped = lambda _renderer, _credential, _model: False,
    repeats_answers: bool = True,
    public_url: str | None = None,
    renderer: Renderer | None = None,
    requests_per_minute_max: int | None = None,
    **limits: Any,
) -> Kit:
    """A house over a ledger in memory. `limits` go before those of most tests."""
    offered = offers or catalogue()
    ground = make_ground(clock or SettableClock(), policy, four_eyes, offered, renderer)
    desk = make_desk(ground, offered, is_stopped, repeats_answers=repeats_answers)
    problems: list[str] = []

    def ready() -> Sequence[str]:
        return problems

    house = House(
        **asking(ground, desk),
        **administration(ground),
        **looking(ground),
        **read_model_waits(ground),
        links=Links(
            ledger=ground.ledger,
            keys=ground.keys,
            clock=ground.clock,
            tenant="main",
            link_s=LINK_S,
            base_url=public_url,
        ),
        rate_limit=RateLimit(requests_per_minute_max, ground.clock.seconds),
        keys=ground.keys,
        assets=ground.assets,
        ready=Readiness(ready),
        new_id=id_maker(ground.clock),
        limits=limits_of(limits),
    )
    return Kit(
        ground.ledger,
        ground.recorder,
        ground.keys,
        ground.recording,
        ground.assets,
        ground.clock,
        house,
        _app(house),
        problems,
        ground.waits,
    )


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

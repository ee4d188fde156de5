"""A house over a ledger in memory, and shortcuts through a render's life."""

import hashlib
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

import anyio
import httpx
from fastapi import FastAPI
from PIL import Image as Picture

from bickford_sora import webhook_signatures
from bickford_sora.api_keys import ApiKeys
from bickford_sora.approvals import Approvals
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.audits import Audits
from bickford_sora.batches import Batches
from bickford_sora.budgets import Budgets
from bickford_sora.callers import PURPOSE, Callers
from bickford_sora.characters import Characters
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, Route
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.policy import Policy, built_in
from bickford_sora.decisions.prices import LIST_PRICES
from bickford_sora.decisions.routing import IsStopped
from bickford_sora.dispatch import Dispatch
from bickford_sora.egress import Egress
from bickford_sora.egress import resolve as system_resolve
from bickford_sora.endpoints import WebhookEndpoints
from bickford_sora.erasing import Erasing
from bickford_sora.erasure_list import ErasureList, Listed
from bickford_sora.erasures import Erasures
from bickford_sora.four_eyes import FourEyes
from bickford_sora.http.app import create_app
from bickford_sora.http.gathering import Gathering
from bickford_sora.http.house import House, Limits
from bickford_sora.http.links import Links
from bickford_sora.http.rate_limits import RateLimit
from bickford_sora.http.tide import Tide
from bickford_sora.intake import Intake
from bickford_sora.invoices import Invoices
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.legal_holds import LegalHolds
from bickford_sora.moderation import Moderation
from bickford_sora.observations import Observations
from bickford_sora.pasts import Pasts
from bickford_sora.policies import Policies
from bickford_sora.preparing import Desk
from bickford_sora.price_tables import PriceTables
from bickford_sora.queueing import Queueing
from bickford_sora.quoting import Quoting
from bickford_sora.recording import Origin, Recording
from bickford_sora.references import References, asset_subject
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Renderer
from bickford_sora.reviews import Reviews
from bickford_sora.spend_reports import SpendReports
from bickford_sora.unknown import Unknown
from bickford_sora.webhook_intake import WebhookIntake, WebhookSource
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
from ledger.keys import Keys, MemoryKeyStore
from ledger.lifecycle import Render
from ledger.memory import MemoryRecorder
from ledger.proof.checkpoints import origin_of
from ledger.proof.memory import MemoryTree
from ledger.proof.notes import Signer
from ledger.proof.port import KeptCheckpoint
from ledger.proof.proofs import Proofs
from ledger.proof.sequencer import Sequencer
from projections.api_keys import API_KEYS, ApiKeyPage, ApiKeyRow
from projections.api_keys import rows as api_key_rows
from projections.endpoints import ENDPOINTS, DeliveryRow, EndpointPage, EndpointRow
from projections.endpoints import rows as endpoint_rows
from projections.story import Story
from projections.videos import Page, Video, rows
from projections.work import rows as work_rows
from tests.http.folded_audit import FoldedAudit
from tests.http.folded_questions import FoldedQuestions
from tests.http.folded_queue import FoldedQueue
from tests.http.folded_spend import FoldedSpend

KEY = "bk_live_alpha_key"
OTHER_KEY = "bk_live_beta_key"
FOREIGN_KEY = "bk_live_foreign_key"
"""Of the project alpha of another tenant."""
ROOT_KEY = "bk_live_root_key"
"""Spans the tenant of the first two."""
FOREIGN_ROOT_KEY = "bk_live_foreign_root_key"
"""Spans that other tenant."""
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
BODY_BYTES_MAX = 1_000_000
APPROVAL_S = 3600.0
SOURCE_BYTES_MAX = 600_000
LINK_S = 900.0
CALL_S = 150.0


class FoldedVideos:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, tenant: str, project: str | None, video_id: str) -> Video | None:
        return next((each for each in self._rows(tenant, project) if each.video_id == video_id), None)

    def some(self, tenant: str, project: str, video_ids: Sequence[str]) -> list[Video]:
        return [each for each in self._rows(tenant, project) if each.video_id in video_ids]

    def page(
        self,
        tenant: str,
        project: str | None,
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

    def held(self, tenant: str, project: str | None, after_video_id: str | None = None, limit: int = 20) -> Page:
        found = sorted(self._rows(tenant, project), key=lambda each: each.video_id)
        held = [each for each in found if each.phase == "held" and each.video_id > (after_video_id or "")]
        return Page(tuple(held[:limit]), has_more=len(held) > limit)

    def _rows(self, tenant: str, project: str | None) -> Iterator[Video]:
        found = {event.stream for event in self._ledger.read(0, limit=10_000) if event.stream.startswith("render:")}
        for stream in sorted(found):
            for _, (_, *row) in rows(Story(stream, self._ledger.history(stream))):
                video = Video(*row)
                if video.tenant == tenant and project in (None, video.project):
                    yield video


class FoldedWork:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def reconciling(self, tenant: str, project: str | None, after: str | None, limit: int) -> list[str]:
        found = {event.stream for event in self._ledger.read(0, limit=10_000) if event.stream.startswith("render:")}
        items = [row for stream in found for _, row in work_rows(Story(stream, self._ledger.history(stream)))]
        ids = sorted(
            str(row[3])
            for row in items
            if row[1] == tenant and project in (None, row[2]) and row[4] == "reconcile" and str(row[3]) > (after or "")
        )
        return ids[:limit]


class FoldedEndpoints:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def page(self, tenant: str, project: str | None, after: str | None = None, limit: int = 20) -> EndpointPage:
        assert 1 <= limit <= 100
        found = sorted(self._endpoints(tenant, project), key=lambda each: each.endpoint_id, reverse=True)
        found = [each for each in found if after is None or each.endpoint_id < after]
        return EndpointPage(tuple(found[:limit]), has_more=len(found) > limit)

    def count(self, tenant: str, project: str) -> int:
        return len(self._endpoints(tenant, project))

    def subscribed(
        self, tenant: str, project: str | None, event_type: str, *, before_position: int
    ) -> list[EndpointRow]:
        return [
            each
            for each in self._endpoints(tenant, project)
            if each.disabled is None and event_type in each.event_types and each.created_position < before_position
        ]

    def deliveries(self, tenant: str, project: str, endpoint_id: str, limit: int = 20) -> list[DeliveryRow]:
        rows = [DeliveryRow(*row) for row in self._rows("deliveries")]
        found = [
            each for each in rows if (each.tenant, each.project, each.endpoint_id) == (tenant, project, endpoint_id)
        ]
        return sorted(found, key=lambda each: each.scheduled_at, reverse=True)[:limit]

    def _endpoints(self, tenant: str, project: str | None) -> list[EndpointRow]:
        rows = [EndpointRow(*row) for row in self._rows("endpoints")]
        return [each for each in rows if each.tenant == tenant and project in (None, each.project)]

    def _rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        streams_read = {event.stream for event in self._ledger.read(0, limit=10_000)}
        for stream in sorted(each for each in streams_read if ENDPOINTS.reads(each)):
            for name, (_, *row) in endpoint_rows(Story(stream, self._ledger.history(stream))):
                if name == table:
                    yield tuple(row)


class FoldedApiKeys:
    """The read model's answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def page(self, tenant: str, project: str | None, after: str | None = None, limit: int = 20) -> ApiKeyPage:
        assert 1 <= limit <= 100
        found = [each for each in self._rows(tenant) if project in (None, each.project)]
        found.sort(key=lambda each: each.issued_position, reverse=True)
        place = next((number for number, each in enumerate(found, start=1) if each.key_id == after), 0)
        return ApiKeyPage(tuple(found[place : place + limit]), has_more=len(found) > place + limit)

    def count(self, tenant: str, project: str, now: datetime) -> int:
        return sum(
            each.project == project and each.revoked_at is None and (each.expires_at is None or each.expires_at > now)
            for each in self._rows(tenant)
        )

    def _rows(self, tenant: str) -> list[ApiKeyRow]:
        streams_read = {event.stream for event in self._ledger.read(0, limit=10_000)}
        tables = [
            row
            for stream in sorted(each for each in streams_read if API_KEYS.reads(each))
            for _, (_, *row) in api_key_rows(Story(stream, self._ledger.history(stream)))
        ]
        return [each for each in (ApiKeyRow(*row) for row in tables) if each.tenant == tenant]


class MemoryList(ErasureList):
    """The list of erasures, without a file."""

    def __init__(self) -> None:
        self.entries: list[Listed] = []

    def append(self, entry: Listed) -> None:
        self.entries.append(entry)

    def __iter__(self) -> Iterator[Listed]:
        return iter(self.entries)


class SettableClock:
    """A clock that moves a millisecond at every look, so that ids are in the order of their making."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def seconds(self) -> float:
        """Where a monotonic clock is wanted."""
        return self.now.timestamp()


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

    def issue(self, *roles: str, by: str = KEY, **fields: Any) -> str:
        """A new API key with these roles, to be used."""
        asked = {"name": "Ours", "roles": [*roles], **fields}
        answer = self.request("POST", "/v1/api_keys", key=by, json=asked)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["secret"])

    def second_admin(self) -> str:
        """Another admin of the tenant main, whoever has to agree to admins."""
        careful = self.house.api_keys
        self.house = self.app.state.house = replace(self.house, api_keys=replace(careful, four_eyes=self.nobody_else))
        secret = self.issue("admin", by=ROOT_KEY, spans_tenant=True)
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


def _resolve(host: str, port: int) -> Sequence[str]:
    """No name leaves the house: one that says so is private, any other public."""
    if re.fullmatch(r"[0-9a-fx.:]+", host):
        return system_resolve(host, port)
    return ["10.0.0.1"] if host.endswith(".internal") else ["93.184.215.14"]


def _callers(ledger: Ledger, keys: Keys, clock: SettableClock) -> Callers:
    return Callers(
        {
            KEY: "alpha",
            OTHER_KEY: "beta",
            FOREIGN_KEY: "acme/alpha",
            ROOT_KEY: "default",
            FOREIGN_ROOT_KEY: "acme/default",
        },
        digest=keys.digest,
        spanning=[ROOT_KEY, FOREIGN_ROOT_KEY],
        issued=IssuedKeys(ledger, clock),
    )


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
    clock = clock or SettableClock()
    recorder = MemoryRecorder(clock)
    ledger = Ledger(recorder)
    keys = Keys(b"m" * 32, MemoryKeyStore())
    recording = Recording(ledger, clock=clock, new_id=id_maker(clock))
    assets = MemoryAssetStore(read_chunk_bytes_max=256)
    inspector = MediaInspector(limits=MediaLimits())

    offered = offers or catalogue()
    egress = Egress(allow_private=("127.0.0.0/8",), resolve=_resolve)
    second_admin = FourEyes(recording=recording, keys=keys, kinds=four_eyes, approval_s=APPROVAL_S)
    policies = Policies(recording, built_in=policy or built_in(), models=lambda: offered.routes, four_eyes=second_admin)
    desk = Desk(
        recording=recording,
        keys=keys,
        references=References(
            assets=assets,
            inspector=inspector,
            keys=keys,
            egress=egress,
            reference_bytes_max=500_000,
            source_bytes_max=SOURCE_BYTES_MAX,
        ),
        policies=policies,
        moderation=Moderation(egress, {"MODERATION_KEY": "sk-moderation"}),
        approval_s=APPROVAL_S,
        catalogue=lambda: offered,
        is_stopped=is_stopped,
        repeats_answers=repeats_answers,
    )
    tree = MemoryTree(recorder, UUID(int=1))
    kept = MemoryList()
    problems: list[str] = []
    secret_bytes = itertools.cycle(range(251))
    waits: list[float] = []

    def wait_for_videos(timeout_s: float) -> bool:
        waits.append(timeout_s)
        return True

    def ready() -> Sequence[str]:
        return problems

    intake = Intake(desk)
    webhooks = WebhookIntake(
        recording,
        {"openai": WebhookSource("openai-default", (WEBHOOK_SECRET,)), "silent": WebhookSource("none", ())}.get,
        tenant="main",
        webhook_tolerance_s=300,
    )
    house = House(
        intake=intake,
        quoting=Quoting(desk),
        observations=Observations(recording, keys),
        webhooks=webhooks,
        receiving=Gathering(webhooks.record),
        callers=_callers(ledger, keys, clock),
        budgets=Budgets(recording, second_admin),
        four_eyes=second_admin,
        erasing=Erasing(
            erasures=Erasures(recording=recording, keys=keys, assets=assets, kept=kept), four_eyes=second_admin
        ),
        legal_holds=LegalHolds(recording=recording, keys=keys, four_eyes=second_admin),
        api_keys=ApiKeys(
            recording=recording,
            keys=keys,
            digest=lambda secret: keys.digest(PURPOSE, secret.encode()),
            query=FoldedApiKeys(ledger),
            four_eyes=second_admin,
            new_secret=lambda length: bytes(next(secret_bytes) for _ in range(length)),
        ),
        reviews=Reviews(recording, keys),
        approvals=Approvals(recording=recording, keys=keys, query=FoldedVideos(ledger)),
        unknown=Unknown(
            recording=recording,
            keys=keys,
            query=FoldedWork(ledger),
            renderer=lambda _name, _credential, _replica: renderer,
            catalogue=desk.catalogue,
        ),
        wait_for_work=wait_for_videos,
        wait_for_api_keys=wait_for_videos,
        keys=keys,
        videos=FoldedVideos(ledger),
        wait_for_videos=wait_for_videos,
        links=Links(ledger=ledger, keys=keys, clock=clock, tenant="main", link_s=LINK_S, base_url=public_url),
        characters=Characters(
            recording=recording,
            keys=keys,
            references=desk.references,
            catalogue=desk.catalogue,
            renderer=lambda _name, _credential: renderer,
            call_s=CALL_S,
        ),
        policies=policies,
        price_tables=PriceTables(recording),
        rate_limit=RateLimit(requests_per_minute_max, clock.seconds),
        batches=Batches(recording, keys, intake),
        spend_reports=SpendReports(recording, FoldedSpend(ledger)),
        invoices=Invoices(recording, keys, FoldedSpend(ledger), FoldedAudit(ledger), lambda: True),
        wait_for_spend=wait_for_videos,
        pasts=Pasts(ledger, clock),
        audits=Audits(
            ledger=ledger,
            keys=keys,
            query=FoldedAudit(ledger),
            questions=FoldedQuestions(ledger),
            clock=clock,
            wait_for_words=None,
        ),
        wait_for_audit=wait_for_videos,
        proofs=Proofs(tree, recorder),
        queueing=Queueing(FoldedQueue(ledger), dict, clock),
        audited=ledger.head,
        tide=Tide(ledger.head),
        endpoints=WebhookEndpoints(
            recording=recording,
            keys=keys,
            dispatch=Dispatch(egress, keys),
            query=FoldedEndpoints(ledger),
            new_secret=lambda length: bytes(next(secret_bytes) for _ in range(length)),
        ),
        wait_for_endpoints=wait_for_videos,
        assets=assets,
        ready=ready,
        new_id=id_maker(clock),
        limits=Limits(
            **{
                "body_bytes_max": BODY_BYTES_MAX,
                "source_bytes_max": SOURCE_BYTES_MAX,
                "projection_wait_s": 2.0,
                "poll_after_ms": 1234,
                **limits,
            }
        ),
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

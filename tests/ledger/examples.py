"""One fully filled example of every fact, made by hand. Their stored bytes are pinned in tests/golden."""

from datetime import UTC, datetime

from ledger import events as e
from ledger.envelope import Fact, Sealed

VIDEO = "video_01931b7e5c4f7a3b8d2e6f1a9c0b4d5e"
OTHER_VIDEO = "video_01931b7e5c507b2c9e3f7a0b1d8c5e6f"
CHARACTER = "char_018f3c1e6b7a7c3d8e9f0a1b2c3d4e60"
ENDPOINT = "we_018f3c1e6b7a7c3d8e9f0a1b2c3d4e5f"
MOMENT = datetime(2026, 11, 20, 12, 30, 45, 123456, tzinfo=UTC)
LATER = datetime(2026, 11, 20, 13, 30, 45, tzinfo=UTC)
SHA_A, SHA_B = "a1" * 32, "b2" * 32
SEALED = Sealed(f"s1.key_1/{VIDEO}.render.intent.prompt.AAECAwQFBgcICQoL")
USD = e.Money(amount_micro=400_000, currency="USD")
VERDICT = e.Verdict(
    policy_hash=SHA_A,
    decided_by="cap",
    warnings=(e.VerdictWarning(rule="at-night", message="Nobody is there to look."),),
    rules=("cap", "hours"),
    saw={"seconds": 4, "model": "sora-2", "share": 0.25, "late": False, "tags": ["a", None]},
)
REFERENCE = e.InputReference(
    storage_uri="file:///references/heron.png",
    sha256=SHA_A,
    bytes=12_345,
    media_type="image/png",
    width=720,
    height=1280,
    filename=SEALED,
)
SOURCE_VIDEO = e.SourceVideo(
    storage_uri="file:///references/heron.mp4",
    sha256=SHA_B,
    bytes=123_456,
    media_type="video/mp4",
    width=720,
    height=1280,
    duration_ms=4_000,
    filename=SEALED,
)
QUOTE = e.Quote(cost=USD, prices_hash=SHA_B, unit="frame", quantity_milli=96_000, micro_per_unit=10_000, tier="720p")
REPORTED = e.Reported(duration_ms=4_000, frames=96, outputs=1, inference_ms=61_500, cost=USD)
VIDEO_ASSET = e.Asset(
    variant="video",
    storage_uri="s3://videos/heron.mp4",
    sha256=SHA_B,
    bytes=1_234_567,
    media_type="video/mp4",
    width=720,
    height=1280,
    made_by="renderer",
    has_c2pa=True,
    duration_ms=4_000,
    frames=96,
    video_codec="h264",
    audio_codec="aac",
    has_audio=True,
)
THUMBNAIL = e.Asset(
    variant="thumbnail",
    storage_uri="s3://videos/heron.webp",
    sha256=SHA_A,
    bytes=4_321,
    media_type="image/webp",
    width=720,
    height=1280,
    made_by="bickford",
    has_c2pa=False,
)

RENDERS: tuple[Fact, ...] = (
    e.RenderIntent(
        video_id=VIDEO,
        project="films",
        requester="key_1",
        operation="remix",
        model="sora-2",
        seconds="4",
        size="720x1280",
        prompt=SEALED,
        input_reference=REFERENCE,
        remix_video_id=OTHER_VIDEO,
        retry_of_video_id=OTHER_VIDEO,
        idempotency_stream=f"idempotency:acme:{SHA_A}",
        source_video=SOURCE_VIDEO,
        fields={"seed": 7, "generate_audio": False},
        text_fields={"negative_prompt": SEALED},
        source_seconds="8",
        purpose="draft",
        tags=("launch", "spring"),
        attestations=("music-cleared",),
        chosen_by_policy=("model", "seconds"),
        batch_id="batch_" + "0" * 32,
    ),
    e.RenderAllowed(
        verdict=VERDICT,
        renderer="vllm",
        credential="main",
        quote=QUOTE,
        served_model="Wan-AI/Wan2.2-T2V-A14B",
        replica="http://gpu-1:8000",
    ),
    e.RenderRerouted(
        code="renderer_unavailable",
        renderer="sglang",
        credential="main",
        quote=QUOTE,
        served_model="Wan-AI/Wan2.2-T2V-A14B",
    ),
    e.RenderDenied(
        verdict=VERDICT,
        code="over_budget",
        message="The budget of this month is used up.",
        approver="req-2",
        reason=SEALED,
    ),
    e.RenderApprovalRequested(
        approval_id="approval_1",
        verdict=VERDICT,
        expires_at=LATER,
        message="Rule dear of the policy asks for approval of this render.",
        on_hold="refuse",
        renderer="vllm",
        credential="main",
        quote=e.Quote(cost=USD, prices_hash=SHA_A, unit="second", quantity_milli=4000),
        served_model="Wan-AI/Wan2.2",
        replica="http://gpu-1:8000",
    ),
    e.RenderApproved(approval_id="approval_1", approver="key_2", reason=SEALED),
    e.RenderSubmissionStarted(
        attempt=1,
        renderer="vllm",
        credential="main",
        replica="http://gpu-1:8000",
        fingerprint=SHA_A,
        deadline_at=LATER,
    ),
    e.RenderSubmissionRefused(attempt=1, code="rate_limited", http_status=429, message=SEALED, retry_at=LATER),
    e.RenderSubmissionUnknown(attempt=1, code="timeout", message=SEALED),
    e.RenderSubmissionAbsent(attempt=1, jobs_searched=120),
    e.RenderQueued(
        attempt=1,
        renderer="vllm",
        credential="main",
        replica="http://gpu-1:8000",
        job_id="video_abc",
        found_by="reconciliation",
        status="queued",
        progress=0,
    ),
    e.RenderProgress(status="in_progress", progress=40),
    e.RenderCompleted(completed_at=MOMENT, expires_at=LATER, reported=REPORTED),
    e.RenderFailed(code="content_policy", message=SEALED, failed_by="renderer"),
    e.RenderStored(assets=(VIDEO_ASSET, THUMBNAIL), expires_at=LATER),
    e.RenderExpired(assets_deleted=3),
    e.RenderRemixed(remix_video_id=OTHER_VIDEO, operation="extend"),
    e.RenderAttemptFailed(step="store", code="http_503", http_status=503, message=SEALED, retry_at=LATER),
    e.RenderDuplicateFound(job_id="video_def", cancelled=True),
    e.RenderJobLost(job_id="video_abc", http_status=404, on_lost="hold"),
    e.RenderResubmitted(attempt=1, doubt="unknown", rule="on_unknown", decided_by="key_1", reason=SEALED),
    e.RenderAdopted(attempt=1, job_id="video_abc", decided_by="key_1", reason=SEALED),
    e.RenderAbandoned(attempt=1, doubt="unknown", rule="on_unknown", decided_by="key_1", reason=SEALED),
    e.RenderAssetLost(code="expired", message=SEALED),
    e.RenderCancelled(reason="operator"),
    e.RenderDeleted(),
    e.RenderPurged(renderer_copy="deleted", assets_deleted=3),
    e.RenderReviewed(
        verdict="approved",
        clarity=0.9,
        continuity=0.85,
        brand_fit=1.0,
        review_time_s=42,
        notes=SEALED,
        review_id="review_1",
        reviewer="req-1",
        score=0.755,
        weights=e.ReviewWeights(clarity=0.3, continuity=0.3, brand_fit=0.3, minute=-0.1),
    ),
)

ONCE: tuple[Fact, ...] = (
    e.WebhookReceived(
        renderer="vllm",
        webhook_event_id="msg_2abc",
        body_event_id="evt_1",
        webhook_type="video.completed",
        job_id="video_abc",
        job_stream=f"job:{SHA_A}",
        sent_at=MOMENT,
        body_sha256=SHA_B,
    ),
    e.IdempotencyBound(request_hash=SHA_A, video_id=VIDEO, project="films", requester="key_1"),
    e.JobClaimed(renderer="vllm", credential="main", job_id="video_abc", video_id=VIDEO),
    e.SubmissionOpened(video_id=VIDEO, attempt=1),
    e.SubmissionClosed(video_id=VIDEO, attempt=1),
    e.DeliveryAttempted(
        endpoint_id=ENDPOINT,
        delivery_id="wh_1",
        attempt=2,
        http_status=503,
        delivered=False,
        code="http_503",
        retry_at=LATER,
    ),
)

ENDPOINTS: tuple[Fact, ...] = (
    e.EndpointCreated(
        endpoint_id=ENDPOINT,
        project="films",
        requester="key_1",
        name=SEALED,
        url=SEALED,
        event_types=("video.completed", "video.failed"),
        secret=SEALED,
        secret_hint="…wxyz",
    ),
    e.EndpointUpdated(name=SEALED, url=SEALED, event_types=("video.stored",)),
    e.EndpointSecretRotated(secret=SEALED, secret_hint="…abcd", old_secret_until=LATER),
    e.EndpointDisabled(reason="gone_410", delivery_id="wh_1"),
    e.EndpointEnabled(reason="updated"),
    e.EndpointDeleted(),
    e.DeliveryScheduled(
        endpoint_id=ENDPOINT,
        delivery_id="wh_1",
        event_id="evt_1",
        event_type="video.completed",
        project="films",
        video_id=VIDEO,
        created_at=MOMENT,
        trigger_position=42,
    ),
    e.DeliveryGivenUp(reason="retries_exhausted"),
)

CHARACTERS: tuple[Fact, ...] = (
    e.CharacterRequested(
        character_id=CHARACTER,
        project="films",
        requester="key_1",
        name=SEALED,
        source_video=SOURCE_VIDEO,
        renderer="openai",
        credential="main",
        replica="https://renderer.example/v1",
        deadline_at=LATER,
        idempotency_stream=f"idempotency:acme:{SHA_A}",
    ),
    e.CharacterCreated(
        renderer="openai",
        credential="main",
        replica="https://renderer.example/v1",
        renderer_character_id="char_abc",
    ),
    e.CharacterRefused(code="renderer_request_invalid", http_status=400, message=SEALED),
    e.CharacterUnknown(code="renderer_no_answer", http_status=504),
)

ANSWERS: tuple[Fact, ...] = (
    e.AnswerUndelivered(video_id=VIDEO, request_hash=SHA_A),
    e.AnswerRepeated(video_id=VIDEO, retry_count=1),
)

MONEY: tuple[Fact, ...] = (
    e.SpendReserved(
        video_id=VIDEO,
        cost=USD,
        project="films",
        requester="req-1",
        key_id="key_1",
        model="sora-2",
        renderer="simulator",
        purpose="draft",
        tags=("spring",),
        renders=0,
        seconds=8,
        day="2026-11-20",
        minute="2026-11-20T12:00",
    ),
    e.SpendSettled(video_id=VIDEO, cost=USD),
    e.SpendReleased(video_id=VIDEO, cost=USD),
    e.SpendAdjusted(
        video_id=VIDEO,
        cost=e.Money(amount_micro=-50_000, currency="EUR"),
        reason=SEALED,
        invoice="INV-7",
        project="films",
        requester="req-1",
        key_id="key_1",
        model="sora-2",
        renderer="vllm",
        purpose="final",
        tags=("spring",),
        day="2026-11-20",
    ),
    e.SpendCarriedForward(totals={"2026-11": {"reserved": 0, "settled": 400_000}}),
    e.BudgetSet(
        budget_id="films-month",
        scope="project:films",
        window="month",
        unit="seconds",
        cap=USD,
        cap_count=600,
        hard=False,
        thresholds=(80, 95),
    ),
    e.BudgetRemoved(budget_id="films-month"),
    e.BudgetOverrun(budget_id="films-month", scope="project:films", excess=USD),
    e.BudgetThreshold(budget_id="films-month", scope="project:films", percent=80, period="2026-11"),
)

GOVERNANCE: tuple[Fact, ...] = (
    e.PolicyPublished(policy_hash=SHA_A, text="[[rules]]\nid = 'cap'\n"),
    e.PricesPublished(prices_hash=SHA_B, text="[[prices]]\nmodel = 'sora-2'\n"),
    e.RendererConfigured(
        renderer="vllm",
        dialect="vllm_omni",
        credential="main",
        replicas=("http://gpu-1:8000", "http://gpu-2:8000"),
        models=("wan-2.2",),
        configuration_hash=SHA_A,
    ),
    e.RendererStopped(
        renderer="vllm", credential="main", model="wan-2.2", code="renderer_not_enabled", http_status=403
    ),
    e.RendererResumed(renderer="vllm", credential="main"),
    e.KeyIssued(
        key_id="key_1",
        project="films",
        requester="key_1",
        digest=SHA_A,
        name=SEALED,
        roles=("requester", "admin"),
        spans_tenant=True,
        may_assert_requester=True,
        expires_at=LATER,
        replaces="key_0",
    ),
    e.ChangeProposed(
        change_id="change_1",
        kind="budgets",
        subject="monthly",
        content_hash=SHA_A,
        summary="set budget monthly",
        proposer="req-1",
        expires_at=LATER,
    ),
    e.ChangeApproved(change_id="change_1", approver="req-2"),
    e.ChangeDenied(change_id="change_1", approver="req-2"),
    e.ChangeMade(change_id="change_1"),
    e.KeyDelegated(key_id="key_2", project="films", delegated_by="key_1", expires_at=LATER),
    e.KeyRotated(key_id="key_1", project="films", new_key_id="key_2", expires_at=LATER),
    e.KeyRevoked(key_id="key_1", project="films"),
    e.CallerRecorded(
        thread_id=SEALED,
        project="films",
        video_id=VIDEO,
        status="completed",
        progress=100,
        model="sora-2",
        seconds="4",
        size="720x1280",
        prompt=SEALED,
        remix_video_id=OTHER_VIDEO,
        input_reference=SEALED,
        storage_uri=SEALED,
        webhook_event_id="msg_2abc",
    ),
    e.SubjectErased(subject="key_1", reason="asked for by the subject"),
    e.ErasureDecided(subject=VIDEO, kind="render", project="films", cause="asked", reason=SEALED),
    e.HoldPlaced(hold_id=f"hold_{SHA_A[:32]}", scope="project", subject="films", reason=SEALED),
    e.HoldLifted(hold_id=f"hold_{SHA_A[:32]}", reason=SEALED),
)

PROOF: tuple[Fact, ...] = (
    e.LogKeyPublished(
        key_id="0a1b2c3d",
        origin="bickford-sora/0190a0b0-0000-7000-8000-000000000001",
        public_key="11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    e.LogKeyRetired(key_id="0a1b2c3d", reason="rotated"),
)

BATCHES: tuple[Fact, ...] = (
    e.BatchOpened(batch_id=f"batch_{SHA_A[:32]}", project="films", requester="key_1", lines=2, request_hash=SHA_A),
    e.BatchLinesDecided(
        lines=(
            e.BatchLine(line=1, custom_id="first", video_id=VIDEO),
            e.BatchLine(line=2, custom_id="second", status=400, code="invalid_value", param="seconds", message=SEALED),
        )
    ),
)

EXAMPLES: dict[str, Fact] = {
    fact.TYPE: fact
    for fact in (*RENDERS, *BATCHES, *ONCE, *CHARACTERS, *ANSWERS, *ENDPOINTS, *MONEY, *GOVERNANCE, *PROOF)
}

"""Given these facts, when this is decided, then these facts follow."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.submission import Attempt, Turn
from ledger import events as e
from ledger import lifecycle, streams
from ledger.envelope import Context, Event, Fact, Sealed
from ledger.render import Render

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
VIDEO_ID = "video_" + "1" * 32
STREAM = streams.render("main", VIDEO_ID)
TURN = "submission:" + "f" * 64
HASH = "a" * 64

INTENT = e.RenderIntent(
    video_id=VIDEO_ID,
    project="default",
    requester="req-1",
    model="sora-2",
    seconds="4",
    size="720x1280",
    prompt=Sealed("sealed"),
)
ALLOWED = e.RenderAllowed(verdict=e.Verdict(policy_hash=HASH), renderer="simulator", credential="sim")
STARTED = e.RenderSubmissionStarted(
    attempt=1,
    renderer="simulator",
    credential="sim",
    replica="http://127.0.0.1:1/v1",
    fingerprint=HASH,
    deadline_at=NOON + timedelta(seconds=60),
)
UNKNOWN = e.RenderSubmissionUnknown(attempt=1, code="renderer_no_answer")
QUEUED = e.RenderQueued(
    attempt=1,
    renderer="simulator",
    credential="sim",
    replica="http://127.0.0.1:1/v1",
    job_id="job-1",
    found_by="answer",
    status="queued",
    progress=0,
)
COMPLETED = e.RenderCompleted()
ASSET = e.Asset(
    variant="video",
    storage_uri="asset://video-1/aa/" + HASH,
    sha256=HASH,
    bytes=1,
    media_type="video/mp4",
    width=720,
    height=1280,
    made_by="renderer",
    has_c2pa=False,
)
STORED = e.RenderStored(assets=(ASSET,))


def progress(percent: int) -> e.RenderProgress:
    return e.RenderProgress(status="in_progress", progress=percent)


def given(*facts: Fact, every: timedelta = timedelta(seconds=1)) -> Render:
    """The render after these facts, one every second from noon on."""
    events = [
        Event(STREAM, number, UUID(int=number), Context("main", "test", NOON + every * (number - 1)), fact)
        for number, fact in enumerate(facts, start=1)
    ]
    render = lifecycle.fold(None, events)
    assert render is not None
    return render


def types(draft: Draft) -> list[str]:
    return [fact.TYPE for _, fact in draft.facts]


def facts(draft: Draft, stream: str = STREAM) -> list[Fact]:
    return [fact for where, fact in draft.facts if where == stream]


def attempt() -> Attempt:
    return Attempt("simulator", "sim", "http://127.0.0.1:1/v1", HASH, NOON + timedelta(seconds=60))


def turn(open_by: str | None = None, version: int = 0) -> Turn:
    return Turn(TURN, version, open_by)


def applied(render: Render, new: Iterable[Fact]) -> Render:
    """The render after facts that were just decided; raises when they may not follow."""
    for fact in new:
        context = Context("main", "test", NOON + timedelta(hours=1))
        render = lifecycle.evolve(
            render, Event(STREAM, render.version + 1, UUID(int=render.version + 1), context, fact)
        )
    return render

"""What must hold at the end of the story, checked against the ledger and the renderer's own count."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bickford_sora.client.models import SoraVideo
from bickford_sora.composition.books import TENANT
from ledger import streams
from ledger.envelope import Event
from ledger.events import JobClaimed, RenderCompleted, RenderFailed, RenderStored, WebhookReceived

QUOTA = "insufficient_quota"
"""How a render is refused that would pass a cap."""
BLOCKED = "blocked"
"""Name of the render that is to fail."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and whether it was kept."""

    promise: str
    kept: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when the story has ended, of the renders it made and of nothing else in the ledger."""

    renders: Mapping[str, SoraVideo]
    """Every render as clients see it, by its name in the story."""
    repeated_answers: int
    """Different videos with which the three equal requests were answered."""
    billed_jobs: Sequence[str]
    """The renderer's own count: the jobs it asks to be paid for."""
    acknowledged_webhooks: Sequence[str]
    """The `webhook-id` of every delivery that we acknowledged."""
    remixes_of_first: Sequence[str]
    """What the ledger says was made from the first render."""
    events: Sequence[Event]
    """In the ledger's order."""
    replay_equal: bool
    refusal: str
    """With which code the render was refused that would have passed its cap; empty when it was not."""
    change_named: bool
    """Whether verification named the one byte that was changed in a copy, and nothing else."""

    @property
    def received(self) -> list[str]:
        """The `webhook-id` of every recorded receipt."""
        return [each.fact.webhook_event_id for each in self.events if isinstance(each.fact, WebhookReceived)]

    @property
    def early_webhooks(self) -> int:
        """How many receipts lie before the fact that says whose job it is."""
        claimed: set[str] = set()
        early = 0
        for event in self.events:
            if isinstance(event.fact, JobClaimed):
                claimed.add(event.fact.job_id)
            elif isinstance(event.fact, WebhookReceived):
                early += event.fact.job_id not in claimed
        return early


@dataclass(frozen=True, slots=True)
class Report:
    """What happened."""

    checks: Sequence[Check]
    renders: int
    events: int
    stored: int
    failed: int
    duplicate_webhooks_ignored: int
    billed: int
    refused: int
    """By its cap, before anything was sent."""
    replay_equal: bool
    elapsed_s: float
    video_id: str
    video_path: Path
    history: Sequence[Event] = field(repr=False)

    @property
    def held(self) -> bool:
        """Whether all of it held."""
        return all(check.kept for check in self.checks)


def checked(evidence: Evidence) -> Iterator[Check]:
    """Every promise of the story, one after the other."""
    events, videos = evidence.events, evidence.renders
    claimed = sum(isinstance(each.fact, JobClaimed) for each in events)
    billed = len(evidence.billed_jobs)
    came, received = evidence.acknowledged_webhooks, evidence.received
    ends = sum(isinstance(each.fact, RenderCompleted | RenderFailed) for each in events)
    stored = sum(isinstance(each.fact, RenderStored) for each in events)
    failed = [name for name, video in videos.items() if video.status == "failed"]
    answers = evidence.repeated_answers
    yield Check("three requests with one key made one render", answers == 1, f"{answers} id")
    yield Check("one job was billed for each render", billed == claimed == len(videos), f"{billed} billed")
    yield Check(
        "each webhook is one fact, however often it came",
        sorted(set(came)) == sorted(received) and len(came) == 2 * len(received),
        f"{len(came)} came, {len(received)} recorded",
    )
    yield Check(
        "a webhook before its time was kept, and moved nothing",
        evidence.early_webhooks > 0 and ends == len(videos),
        f"{evidence.early_webhooks} early, {ends} ends",
    )
    yield Check(
        "every render reached its end, through a killed worker",
        all(video.finished for video in videos.values()),
        f"{stored} stored",
    )
    yield Check("the blocked one failed, and no other", failed == [BLOCKED], ", ".join(failed))
    yield Check("the remix and its source name each other", _remixed(evidence), "lineage")
    yield Check(
        "a render that would pass its one-dollar cap was refused",
        evidence.refusal == QUOTA,
        evidence.refusal or "accepted",
    )
    yield Check("the rebuilt read models equal the live ones", evidence.replay_equal, "row by row")
    yield Check("a byte that the database's owner changed was found", evidence.change_named, "by its position")


def belongs(event: Event, *, videos: frozenset[str], jobs: frozenset[str]) -> bool:
    """Whether a fact is about one of these videos or of the renderer's jobs: an earlier run may have left others."""
    return (
        event.stream in {streams.render(TENANT, each) for each in videos}
        or getattr(event.fact, "video_id", None) in videos
        or _job_of(event) in jobs
    )


def _job_of(event: Event) -> str | None:
    job_id: str | None = getattr(event.fact, "job_id", None)
    return job_id


def _remixed(evidence: Evidence) -> bool:
    source, remix = evidence.renders["coupe"], evidence.renders["remix"]
    return remix.id in evidence.remixes_of_first and remix.remixed_from_video_id == source.id

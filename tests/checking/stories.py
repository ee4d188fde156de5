"""Recorded facts made by hand, as plainly as they are stored, so that anything can be wrong with them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Self

from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.checking.check import Report, check
from bickford_sora.checking.findings import Kind
from bickford_sora.checking.jobs import Counted, CountedJob
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.reading import contents, sizes
from bickford_sora.checking.records import Record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AFTER = timedelta(days=30)
VIDEO = "video_" + "a" * 32
OTHER = "video_" + "b" * 32
CONTENT = b"a video, as far as this test goes"


class Story:
    """A ledger in the making. Each call records one fact more, and answers the story."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.assets = MemoryAssetStore()
        self.now = NOON
        self._versions: Counter[str] = Counter()

    def fact(self, stream: str, type_name: str, *, version: int | None = None, schema: int = 1, **fields: Any) -> Self:
        """One fact, a second after the one before."""
        self.now += timedelta(seconds=1)
        self._versions[stream] = version or self._versions[stream] + 1
        position = len(self.records) + 1
        self.records.append(Record(position, stream, self._versions[stream], type_name, self.now, fields, schema))
        return self

    def render(self, type_name: str, video_id: str = VIDEO, **fields: Any) -> Self:
        """A fact in a render's own stream."""
        return self.fact(stream_of(video_id), f"render.{type_name}", **fields)

    def spend(self, type_name: str, video_id: str = VIDEO, **fields: Any) -> Self:
        """A fact of money."""
        return self.fact("spend:main", f"spend.{type_name}", video_id=video_id, **fields)

    def asked(self, video_id: str = VIDEO) -> Self:
        """Asked for and allowed."""
        return self.render("intent", video_id).render("allowed", video_id).spend("reserved", video_id)

    def submitting(self, video_id: str = VIDEO) -> Self:
        """A submission begins."""
        deadline_at = (self.now + timedelta(seconds=35)).isoformat()
        return self.render(
            "submission_started", video_id, attempt=1, renderer="r", credential="c", deadline_at=deadline_at
        )

    def queued(self, video_id: str = VIDEO, job_id: str = "job-1") -> Self:
        """The renderer has the job, which is claimed."""
        self.render("queued", video_id, renderer="r", credential="c", job_id=job_id)
        return self.claimed(video_id, job_id)

    def claimed(self, video_id: str = VIDEO, job_id: str = "job-1") -> Self:
        """The claim on a job."""
        return self.fact(f"job:{job_id}", "job.claimed", video_id=video_id, renderer="r", credential="c", job_id=job_id)

    def completed(self, video_id: str = VIDEO) -> Self:
        """The renderer finished."""
        return self.render("completed", video_id).spend("settled", video_id)

    def stored(self, video_id: str = VIDEO, content: bytes = CONTENT) -> Self:
        """The file is ours."""
        kept = self.assets.put("subject", [content], bytes_max=1_000)
        asset = {"storage_uri": kept.storage_uri, "sha256": sha256(content).hexdigest(), "bytes": len(content)}
        return self.render("stored", video_id, assets=[asset])

    def whole(self, video_id: str = VIDEO, job_id: str = "job-1") -> Self:
        """A render from its beginning to its end."""
        return self.asked(video_id).submitting(video_id).queued(video_id, job_id).completed(video_id).stored(video_id)

    def webhook(self, job_id: str = "job-1", webhook_id: str = "msg-1") -> Self:
        """A receipt: the job is completed."""
        return self.fact(
            f"webhook:{webhook_id}",
            "webhook.received",
            webhook_event_id=webhook_id,
            webhook_type="video.completed",
            job_id=job_id,
            job_stream=f"job:{job_id}",
        )

    def report(
        self, *, later: timedelta = LONG_AFTER, counted: tuple[Counted, ...] = (), reads_files: bool = True
    ) -> Report:
        """What the check says of it."""
        return check(
            self.records,
            history=lambda stream: [each for each in self.records if each.stream == stream],
            look_at=contents(self.assets) if reads_files else sizes(self.assets),
            now=self.now + later,
            patience=Patience(),
            counted=counted,
        )

    def kinds(self, **how: Any) -> list[Kind]:
        """The kinds of what is found."""
        return [each.kind for each in self.report(**how).findings]


def stream_of(video_id: str) -> str:
    """The stream of a render."""
    return f"render:main:{video_id.removeprefix('video_')}"


def counted(jobs: Mapping[str, CountedJob], *, is_bill: bool = False) -> tuple[Counted, ...]:
    """What the one renderer says."""
    return (Counted("r", "c", jobs, NOON + timedelta(hours=1), is_bill=is_bill),)

"""The books of jobs: each is claimed once, by the render that says so, and the renderers' own count agrees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bickford_sora.checking.findings import Findings, Kind
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.records import History, Record, hex_of
from bickford_sora.checking.renders import FINAL_WEBHOOKS, OpenRender, Renders

GIVING_UP = frozenset({"render.resubmitted", "render.abandoned"})
"""Facts that give up an attempt of which nobody knows whether it made a job."""
NAMING = frozenset({"render.queued", "render.duplicate_found"})
"""Facts of a render that name a job, which is claimed in the same append."""


CLOCK_SKEW_S = 120.0
"""How far a renderer's clock may be from ours, in seconds."""


@dataclass(frozen=True, slots=True)
class CountedJob:
    """What a renderer says of a job, as far as it does."""

    created_at: datetime | None = None
    made_for: str | None = None
    """The idempotency key it was sent with."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a renderer says it has, or has billed, by its own count."""

    renderer: str
    credential: str
    jobs: Mapping[str, "CountedJob"]
    """By the job's id."""
    counted_at: datetime
    """Our clock before the counting began."""
    is_bill: bool = False
    """Whether jobs stay in it once they are deleted or forgotten, as on a bill."""


@dataclass(slots=True)
class _Counting:
    counted: Counted
    unclaimed: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.unclaimed = set(self.counted.jobs)


class Jobs:
    """Follows claims and webhooks, and holds renderers' counts against them."""

    def __init__(
        self, findings: Findings, renders: Renders, history: History, counted: tuple[Counted, ...] = ()
    ) -> None:
        self._findings = findings
        self._renders = renders
        self._history = history
        self._named: dict[tuple[str, str], tuple[str, int]] = {}
        """Jobs that a render names and nobody claimed yet, by video and job: where."""
        self._claimed: dict[tuple[str, str], tuple[str, int]] = {}
        """Jobs that are claimed for a render which does not name them yet."""
        self._of: dict[str, OpenRender] = {}
        """Open renders by the stream of their job."""
        self._webhooks: dict[str, tuple[str, int, datetime]] = {}
        """The first webhook of each job that nobody claimed yet, by the job's stream."""
        self._given_up: set[str] = set()
        """Idempotency keys of attempts that were given up: what they made is booked as billed, and not claimed."""
        self._counting = {(each.renderer, each.credential): _Counting(each) for each in counted}

    @property
    def open(self) -> int:
        """How much is kept in memory."""
        return len(self._named) + len(self._claimed) + len(self._of) + len(self._webhooks) + len(self._given_up)

    def named(self, record: Record) -> None:
        """A fact of a render that names a job."""
        if record.type == "render.duplicate_found" and record.fields.get("cancelled"):
            return  # it was named when it was found
        self._pair(record, (record.subject, str(record.fields["job_id"])), self._named, self._claimed)

    def gave_up(self, record: Record) -> None:
        """A fact that gives up an attempt."""
        self._given_up.add(f"video_{record.subject}-{record.fields['attempt']}")

    def claimed(self, record: Record) -> None:
        """A fact in a job's stream."""
        fields = record.fields
        if record.version != 1:
            message = f"job {fields['job_id']} is claimed a second time, for {fields['video_id']}"
            self._findings.add(Kind.JOB_SHARED, record.stream, record.position, message)
            return
        video, job_id = hex_of(fields["video_id"]), str(fields["job_id"])
        self._pair(record, (video, job_id), self._claimed, self._named)
        if counting := self._counting.get((fields["renderer"], fields["credential"])):
            counting.unclaimed.discard(job_id)
        waiting = self._webhooks.pop(record.stream, None)
        if render := self._renders.open.get(video):
            self._of[record.stream] = render
            render.job_streams.append(record.stream)
            if waiting is not None:
                _came(render, waiting[1], record.recorded_at)  # until now nobody could act on it

    def webhook(self, record: Record) -> None:
        """The receipt of a renderer's webhook."""
        if record.version != 1:
            message = f"webhook {record.fields['webhook_event_id']} is recorded a second time"
            self._findings.add(Kind.RECORDED_TWICE, record.stream, record.position, message)
            return
        job_stream = record.fields["job_stream"]
        if render := self._of.get(job_stream):
            if record.fields["webhook_type"] in FINAL_WEBHOOKS:
                _came(render, record.position, record.recorded_at)
        elif not any(each.position < record.position for each in self._history(job_stream)):
            self._webhooks.setdefault(job_stream, (record.stream, record.position, record.recorded_at))

    def forget(self, render: OpenRender) -> None:
        """The books of a render are closed."""
        for stream in render.job_streams:
            self._of.pop(stream, None)

    def finish(self, now: datetime, patience: Patience) -> None:
        """Adds what does not go together, and what renderers count otherwise."""
        for (video, job_id), (stream, position) in self._named.items():
            message = f"video_{video} names job {job_id}, and nobody claimed it"
            self._findings.add(Kind.CLAIM_UNMATCHED, stream, position, message)
        for (video, job_id), (stream, position) in self._claimed.items():
            message = f"job {job_id} is claimed for video_{video}, which does not name it"
            self._findings.add(Kind.CLAIM_UNMATCHED, stream, position, message)
        for stream, position, at in self._webhooks.values():
            if now - at > timedelta(seconds=patience.render_s + patience.step_s):
                message = f"it came at {at} for a job that no render claims"
                self._findings.add(Kind.WEBHOOK_UNMATCHED, stream, position, message)
        for counting in self._counting.values():
            self._compare(counting)

    def _pair(
        self,
        record: Record,
        pair: tuple[str, str],
        mine: dict[tuple[str, str], tuple[str, int]],
        others: dict[tuple[str, str], tuple[str, int]],
    ) -> None:
        """Both sides of a claim are recorded together: whichever comes second takes the first one off."""
        if others.pop(pair, None) is None:
            mine[pair] = (record.stream, record.position)

    def _compare(self, counting: _Counting) -> None:
        counted = counting.counted
        where = f"{counted.renderer} ({counted.credential})"
        for job_id in sorted(counting.unclaimed):
            job = counted.jobs[job_id]
            if job.made_for in self._given_up or self._may_be_claimed(job, counted):
                continue
            hint = f", sent with the key {job.made_for}" if job.made_for else ""
            message = f"{where} has job {job_id}{hint}, and no render claims it"
            self._findings.add(Kind.JOB_UNCLAIMED, "", None, message)
        for render in self._renders.open.values():
            self._look_for(render, counted, where)

    def _may_be_claimed(self, job: CountedJob, counted: Counted) -> bool:
        """Whether it can be the job of a submission whose outcome is still being found out."""
        created_at = job.created_at or counted.counted_at
        return any(
            render.began_at is not None and created_at >= render.began_at - timedelta(seconds=CLOCK_SKEW_S)
            for render in self._renders.open.values()
            if render.is_submitting and (render.renderer, render.credential) == (counted.renderer, counted.credential)
        )

    def _look_for(self, render: OpenRender, counted: Counted, where: str) -> None:
        """A render that waits for its job, which the renderer should have."""
        waits = bool(render.jobs) and render.completed_at is None and render.end is None
        if not waits or (render.renderer, render.credential) != (counted.renderer, counted.credential):
            return
        was_counted = render.claimed_at is not None and render.claimed_at < counted.counted_at
        if was_counted and render.jobs[-1] not in counted.jobs:
            message = f"{where} does not know job {render.jobs[-1]} any more"
            self._findings.add(Kind.JOB_FORGOTTEN, render.stream, render.position, message)


def _came(render: OpenRender, position: int, at: datetime) -> None:
    render.webhook_position, render.webhook_at = position, at

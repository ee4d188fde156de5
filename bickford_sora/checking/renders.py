"""The books of renders: each is open from the first fact that names it until nothing of it is left to happen.

A render that is over is forgotten, so that memory holds open ones only. What is recorded of it later opens its books
again from its own stream.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from bickford_sora.checking.findings import Findings, Kind
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.records import History, Record, hex_of, moment

ENDS = frozenset(
    {
        "render.denied",
        "render.stored",
        "render.failed",
        "render.job_lost",
        "render.asset_lost",
        "render.cancelled",
    }
)
"""What a render can end with."""
OUTCOMES = frozenset(
    {
        "render.submission_refused",
        "render.submission_absent",
        "render.queued",
        "render.resubmitted",
        "render.abandoned",
    }
)
"""What closes a submission. That its outcome is unknown does not."""
FINAL_WEBHOOKS = frozenset({"video.completed", "video.failed"})
"""Webhooks after which something must happen to their render."""


@dataclass(slots=True)
class OpenRender:
    """What is known of a render that is not over."""

    video: str
    """The hex digits of its id."""
    stream: str = ""
    position: int = 0
    """Of the first fact that names it."""
    version: int = 0
    """Of the last fact in its stream; 0: it was named, and never asked for."""
    seen_at: datetime | None = None
    """When the last fact of its stream was recorded."""
    asked_at: datetime | None = None
    """Or, where it was submitted again by decision, when that was."""
    is_decided: bool = False
    is_held: bool = False
    held_until: datetime | None = None
    renderer: str = ""
    """Who was asked last, and with which credential."""
    credential: str = ""
    began_at: datetime | None = None
    """When the last submission began."""
    deadline_at: datetime | None = None
    """Of the submission that is open."""
    jobs: list[str] = field(default_factory=list)
    """The ids of its jobs at the renderer, in the order they were recorded; duplicates that are on record aside."""
    job_streams: list[str] = field(default_factory=list)
    claimed_at: datetime | None = None
    has_doubt: bool = False
    """Whether a job of it was given up that may have been billed."""
    completed_at: datetime | None = None
    end: str | None = None
    failed_by: str | None = None
    reserved: int = 0
    """How often money was set aside for it."""
    closed: list[str] = field(default_factory=list)
    """How that ended: `spend.settled`, `spend.released`."""
    is_corrected: bool = False
    """Whether something was booked beside that: a job that turned up behind it, or what an invoice says."""
    is_reopened: bool = False
    """Its books were closed before; what became of its money is known to be in order."""
    deleted_at: datetime | None = None
    is_purged: bool = False
    webhook_at: datetime | None = None
    """When the last word of its renderer came that it is finished."""
    webhook_position: int = 0

    @property
    def is_submitting(self) -> bool:
        """Whether a submission is open."""
        return self.deadline_at is not None

    @property
    def is_paid(self) -> bool:
        """Whether nothing is set aside for it any more."""
        return self.is_reopened or len(self.closed) >= self.reserved

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to happen."""
        is_gone = self.deleted_at is None or self.is_purged
        return self.end is not None and not self.is_submitting and self.is_paid and is_gone


class Renders:
    """Follows renders. `closing` is told of each whose books are closed."""

    def __init__(self, findings: Findings, history: History, closing: Callable[[OpenRender], None]) -> None:
        self.open: dict[str, OpenRender] = {}
        """By the hex digits of the video's id."""
        self._findings = findings
        self._history = history
        self._closing = closing

    def told(self, record: Record) -> None:
        """A fact in a render's own stream."""
        render = self.open.get(record.subject)
        if render is None or render.version == 0:
            render = self._opened(record, render)
        if record.version != render.version + 1:
            message = f"version {record.version} comes after {render.version}"
            self._findings.add(Kind.VERSION_MISSING, record.stream, record.position, message)
        _happened(render, record, self._findings)
        self.close_if_over(render)

    def named(self, video_id: str, record: Record) -> OpenRender:
        """The books of a render that a fact of another stream names; opened when that comes first."""
        video = hex_of(video_id)
        render = self.open.get(video)
        if render is None:
            render = self.open[video] = OpenRender(video, position=record.position)
        return render

    def close_if_over(self, render: OpenRender) -> None:
        """Forgets a render of which nothing is left to happen."""
        if render.is_over and render.video in self.open:
            del self.open[render.video]
            self._check_money(render)
            self._closing(render)

    def stuck(self, now: datetime, patience: Patience) -> None:
        """Adds what of the renders that are still open should have happened by `now`."""
        late = _Late(now, patience)
        for render in self.open.values():
            if render.version == 0:
                self._is_missing(render)
                continue
            for kind, message in _overdue(render, late):
                self._findings.add(kind, render.stream, render.position, message)

    def _is_missing(self, render: OpenRender) -> None:
        message = f"video_{render.video} is named here, and nobody ever asked for it"
        self._findings.add(Kind.RENDER_MISSING, "", render.position, message)

    def _opened(self, record: Record, named: OpenRender | None) -> OpenRender:
        """The books of a render that are not open: they are new, or opened again from its stream."""
        render = named or OpenRender(record.subject)
        render.stream, render.position = record.stream, record.position
        self.open[record.subject] = render
        if record.version == 1 and record.type != "render.intent":
            message = f"{record.type} is its first fact: nobody asked for it"
            self._findings.add(Kind.RENDER_MISSING, record.stream, record.position, message)
        if record.version > 1:
            render.is_reopened = True
            said = Findings()  # what was wrong with it before was said before
            for each in self._history(record.stream):
                if each.version < record.version:
                    _happened(render, each, said)
        return render

    def _check_money(self, render: OpenRender) -> None:
        """Settled where a job may have been billed, released where none was: as ADR 0018 has it."""
        if render.is_reopened or render.has_doubt or len(render.closed) != 1:
            return
        was_free = not render.jobs or (render.completed_at is None and render.failed_by == "renderer")
        if was_free and render.closed[-1] == "spend.settled":
            message = f"settled, and it ended with {render.end} without a job that is billed"
            self._findings.add(Kind.SETTLED_WITHOUT_VIDEO, render.stream, render.position, message)
        if not was_free and render.closed[-1] == "spend.released" and not render.is_corrected:
            message = f"released, and the renderer had job {render.jobs[-1]} for it"
            self._findings.add(Kind.RELEASED_WITH_VIDEO, render.stream, render.position, message)


def _happened(render: OpenRender, record: Record, findings: Findings) -> None:
    """Writes a fact of its own stream into the books of a render."""
    render.version = record.version
    render.seen_at = record.recorded_at
    if record.type in _CHANGES:
        _CHANGES[record.type](render, record)
    if record.type in OUTCOMES:
        render.deadline_at = None
    if record.type == "render.queued":
        _has_job(render, record, findings)
    if record.type in ENDS and not record.fields.get("on_lost"):  # a rule says what becomes of a lost job
        _ends(render, record, findings)


def _asked(render: OpenRender, record: Record) -> None:
    render.asked_at = record.recorded_at


def _held(render: OpenRender, record: Record) -> None:
    render.is_decided = render.is_held = True
    render.held_until = moment(record.fields.get("expires_at"))


def _allowed(render: OpenRender, _record: Record) -> None:
    render.is_decided, render.is_held = True, False


def _submitting(render: OpenRender, record: Record) -> None:
    fields = record.fields
    render.renderer, render.credential = fields["renderer"], fields["credential"]
    render.began_at, render.deadline_at = record.recorded_at, moment(fields["deadline_at"])


def _resubmitted(render: OpenRender, record: Record) -> None:
    """What was asked for before is given up, on record: one job more is no double."""
    _doubted(render, record)
    render.asked_at, render.completed_at = record.recorded_at, None
    render.jobs.clear()


def _doubted(render: OpenRender, _record: Record) -> None:
    render.has_doubt = True


def _job_lost(render: OpenRender, _record: Record) -> None:
    render.claimed_at = None  # that its renderer does not know it is on record


def _completed(render: OpenRender, record: Record) -> None:
    render.completed_at = record.recorded_at


def _deleted(render: OpenRender, record: Record) -> None:
    render.deleted_at = record.recorded_at  # of one that was erased and purged nothing is left to purge


def _purged(render: OpenRender, _record: Record) -> None:
    render.is_purged = True


_CHANGES: Mapping[str, Callable[[OpenRender, Record], None]] = MappingProxyType(
    {
        "render.intent": _asked,
        "render.approval_requested": _held,
        "render.allowed": _allowed,
        "render.approved": _allowed,
        "render.submission_started": _submitting,
        "render.resubmitted": _resubmitted,
        "render.abandoned": _doubted,
        "render.job_lost": _job_lost,
        "render.completed": _completed,
        "render.deleted": _deleted,
        "render.purged": _purged,
    }
)
"""What each fact changes in the books."""


def _has_job(render: OpenRender, record: Record, findings: Findings) -> None:
    job_id = str(record.fields["job_id"])
    if render.jobs and job_id not in render.jobs:
        message = f"job {job_id} beside {', '.join(render.jobs)}, and no duplicate is recorded"
        findings.add(Kind.JOB_DOUBLED, record.stream, record.position, message)
    render.jobs.append(job_id)
    render.claimed_at = record.recorded_at
    render.is_purged = False


def _ends(render: OpenRender, record: Record, findings: Findings) -> None:
    render.is_decided, render.is_held = True, False
    if render.end is not None:
        message = f"{record.type} after {render.end}"
        findings.add(Kind.ENDED_TWICE, record.stream, record.position, message)
    render.end = record.type
    render.failed_by = record.fields.get("failed_by")


@dataclass(frozen=True, slots=True)
class _Late:
    """What counts as late at a moment."""

    now: datetime
    patience: Patience

    def __call__(self, since: datetime | None, allowed_s: float = 0.0) -> bool:
        return since is not None and self.now - since > timedelta(seconds=allowed_s + self.patience.step_s)


def _overdue(render: OpenRender, late: _Late) -> Iterator[tuple[Kind, str]]:
    """What of a render is late, and since when."""
    if render.is_submitting:
        if late(render.deadline_at, late.patience.reconcile_s):
            yield Kind.SUBMISSION_OPEN, f"answers were waited for until {render.deadline_at}; the outcome is open"
    elif render.end is None:
        yield from _without_end(render, late)
    else:
        yield from _behind_end(render, late)
    if render.end is None and _is_unheeded(render) and late(render.webhook_at):
        yield Kind.WEBHOOK_IGNORED, f"its renderer's webhook of {render.webhook_at} changed nothing"


def _without_end(render: OpenRender, late: _Late) -> Iterator[tuple[Kind, str]]:
    if not render.is_decided:
        if late(render.asked_at):
            yield Kind.UNDECIDED, f"asked for at {render.asked_at}, and neither allowed nor denied"
    elif render.is_held:
        if late(render.held_until):
            yield Kind.APPROVAL_OVERDUE, f"held until {render.held_until}, and nothing came of it"
    elif render.completed_at is not None:
        if late(render.completed_at, late.patience.store_s):
            yield Kind.NOT_STORED, f"the renderer finished it before {render.completed_at}"
    elif late(render.asked_at, late.patience.render_s):
        yield Kind.RENDER_WITHOUT_END, f"asked for at {render.asked_at}"


def _behind_end(render: OpenRender, late: _Late) -> Iterator[tuple[Kind, str]]:
    if not render.is_paid and late(render.seen_at):
        yield Kind.RESERVATION_OPEN, f"it ended with {render.end}, and its money is still set aside"
    if not render.is_purged and late(render.deleted_at, late.patience.render_s):
        yield Kind.NOT_PURGED, f"deleted at {render.deleted_at}"


def _is_unheeded(render: OpenRender) -> bool:
    return render.webhook_at is not None and (render.seen_at is None or render.seen_at <= render.webhook_at)

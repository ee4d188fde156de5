"""A render as the protocol's video object: its 13 keys and three more, always (Videos API, `Video`; ADR 0015).

Clients download as soon as they see `completed`, so a video is completed only once its file is ours; until then it is
in progress at 99 percent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bickford_sora.errors import without_plural
from bickford_sora.http.links import Links
from ledger import streams
from ledger.envelope import Sealed
from ledger.events.render import ReviewVerdict
from ledger.keys import Keys
from ledger.render import STATUSES, Phase, Render, Status
from projections import videos

PROGRESS_BEFORE_STORED_MAX = 99

_SENTENCES = MappingProxyType(
    {
        "cancelled": "The render was cancelled.",
        "deadline_exceeded": "The renderer did not finish in time.",
        "job_lost": "The renderer does not know this job any more.",
        "lost_attempts_exceeded": "The renderer lost this job too often.",
        "submission_abandoned": "Nobody could find out whether the renderer took this job.",
        "render_cost_exceeded": "The render costs more than policy allows.",
        "price_unknown": "No price is known for this model, and renders have a cost limit.",
    }
)
"""What is said of a failure that came without words."""
_SENTENCE = "The render failed."


class VideoError(BaseModel):
    """Why a render has no video."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class VideoReview(BaseModel):
    """What was said of a video last."""

    model_config = ConfigDict(frozen=True)

    verdict: ReviewVerdict
    score: float | None
    """Null in reviews older than scores."""
    reviews: int
    """How many there are."""


class VideoApproval(BaseModel):
    """The approval that a held video waits for."""

    id: str
    status: Literal["required"] = "required"


class Video(BaseModel):
    """The protocol's video object."""

    model_config = ConfigDict(frozen=True)

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Status
    progress: int
    """Percent."""
    created_at: int
    """Unix seconds."""
    completed_at: int | None
    expires_at: int | None
    """When the retention of our copy ends, in Unix seconds; null when it never does, or nothing is stored."""
    url: str | None
    """A short-lived link to the file, which needs no API key; null while there is none. Not in the protocol."""
    prompt: str | None
    """Null once it was erased."""
    size: str
    seconds: str
    """Of an extension: source and segment together."""
    duration: int
    """`seconds` as a number. Not in the protocol."""
    remixed_from_video_id: str | None
    error: VideoError | None
    review: VideoReview | None
    """Null while nobody reviewed it. Not in the protocol."""
    approval: VideoApproval | None
    """What it waits for; null when it waits for no approver. Not in the protocol."""
    erased_at: int | None
    """When its words were erased, and its files unless only the retention of prompts ended. Not in the protocol."""


@dataclass(frozen=True, slots=True)
class View:
    """What a video object is made of, wherever it was read. `prompt` and `failure_message` are sealed."""

    video_id: str
    tenant: str
    project: str
    phase: Phase
    progress: int
    model: str
    seconds: str
    size: str
    prompt: Sealed
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    expired: bool
    erased_at: datetime | None
    erased: bool
    remixed_from_video_id: str | None
    failure_code: str | None
    failure_message: Sealed | None
    review: VideoReview | None

    @classmethod
    def of_render(cls, render: Render) -> "View":
        """A render folded from the ledger."""
        intent = render.intent
        return cls(
            intent.video_id,
            render.tenant,
            intent.project,
            render.phase,
            render.progress,
            intent.model,
            intent.video_seconds,
            intent.size,
            intent.prompt,
            render.created_at,
            render.completed_at,
            render.expires_at,
            render.expired,
            render.erased_at,
            render.erased,
            intent.remix_video_id,
            render.failure.code if render.failure else None,
            render.failure.message if render.failure else None,
            _review(render),
        )

    @classmethod
    def of_row(cls, row: videos.Video) -> "View":
        """A row of the read model."""
        return cls(
            row.video_id,
            row.tenant,
            row.project,
            Phase(row.phase),
            row.progress,
            row.model,
            row.seconds,
            row.size,
            Sealed(row.prompt),
            row.created_at,
            row.completed_at,
            row.expires_at,
            row.expired,
            row.erased_at,
            row.erased,
            row.remixed_from_video_id,
            row.failure_code,
            Sealed(row.failure_message) if row.failure_message is not None else None,
            _review_of_row(row),
        )


def video_objects(
    views: Sequence[View], keys: Keys, links: Links | None, *, opened: Mapping[Sealed, str] = MappingProxyType({})
) -> list[Video]:
    """The video objects, their texts in the clear; `opened` are those that are known already.

    Without `links`, no link to a file. Raises ledger.errors.Unavailable when the keys of the others cannot be had.
    """
    sealed = {text for view in views for text in (view.prompt, view.failure_message) if text is not None}
    texts = {**keys.open_all(sealed - opened.keys()), **opened}
    return [_video_object(view, texts, links) for view in views]


def _video_object(view: View, texts: Mapping[Sealed, str | None], links: Links | None) -> Video:
    stored = view.phase is Phase.STORED
    kept = stored and not (view.expired or view.erased)
    return Video(
        id=view.video_id,
        model=view.model,
        status=STATUSES[view.phase],
        progress=view.progress if stored else min(view.progress, PROGRESS_BEFORE_STORED_MAX),
        created_at=int(view.created_at.timestamp()),
        completed_at=int(view.completed_at.timestamp()) if stored and view.completed_at else None,
        expires_at=int(view.expires_at.timestamp()) if view.expires_at else None,
        url=links.video(view.tenant, view.project, view.video_id) if kept and links else None,
        prompt=texts[view.prompt],
        size=view.size,
        seconds=view.seconds,
        duration=int(view.seconds),
        remixed_from_video_id=view.remixed_from_video_id,
        error=_error(view, texts),
        review=view.review,
        approval=VideoApproval(id=streams.approval_id(view.video_id)) if view.phase is Phase.HELD else None,
        erased_at=int(view.erased_at.timestamp()) if view.erased_at else None,
    )


def _review(render: Render) -> VideoReview | None:
    if not render.reviews:
        return None
    said = render.reviews[-1].said
    return VideoReview(verdict=said.verdict, score=said.score, reviews=len(render.reviews))


def _review_of_row(row: videos.Video) -> VideoReview | None:
    if row.review_verdict is None:
        return None
    return VideoReview(verdict=row.review_verdict, score=row.review_score, reviews=row.reviews)


def _error(view: View, texts: Mapping[Sealed, str | None]) -> VideoError | None:
    if view.failure_code is None:
        return None
    told = texts[view.failure_message] if view.failure_message else None
    return VideoError(code=view.failure_code, message=failure_message(view.failure_code, told))


def failure_message(code: str, told: str | None) -> str:
    """What is said of a failure: what the renderer told of it, else our own sentence."""
    return without_plural(told or _SENTENCES.get(code, _SENTENCE))

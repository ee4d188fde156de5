"""What the client gives back, in the protocol's words (Videos API). Frozen; fields it does not know are ignored."""

from os import PathLike
from typing import BinaryIO, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel

Variant = Literal["video", "thumbnail", "spritesheet"]
Order = Literal["asc", "desc"]
InputReference = bytes | str | PathLike[str] | BinaryIO
"""An image: its bytes, the path of a file, or a file open for reading bytes."""

UNFINISHED = frozenset({"queued", "in_progress"})
"""Statuses of a render that has not ended."""


class SoraVideoFailure(BaseModel):
    """Why a render has no video."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    message: str


class SoraVideoReview(BaseModel):
    """What was said of a video last."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    verdict: str
    """approved or rejected."""
    score: float | None = None
    reviews: int = 1
    """How many there are."""


class SoraVideo(BaseModel):
    """A video, or the render that is to make it. Moments are in seconds since 1970 (UTC)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    object: str = "video"
    model: str
    status: str
    """queued, in_progress, completed or failed."""
    progress: int
    """Percent, 0 to 100."""
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    """When the server's copy goes; None: never."""
    url: str | None = None
    """A short-lived link to the file, which needs no API key; None while there is none."""
    prompt: str | None = None
    size: str
    """Width and height in pixels, for example 1280x720."""
    seconds: str
    duration: int | None = None
    """`seconds` as a number."""
    remixed_from_video_id: str | None = None
    error: SoraVideoFailure | None = None
    review: SoraVideoReview | None = None
    """None while nobody reviewed it."""
    erased_at: int | None = None
    """When its texts were made unreadable; None: they were not."""

    @property
    def finished(self) -> bool:
        """Whether the render has ended, well or not."""
        return self.status not in UNFINISHED


class SoraVideoPage(BaseModel):
    """Some videos, in order. While `has_more`, ask again with `after=last_id`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    object: str = "list"
    data: tuple[SoraVideo, ...]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool


class SoraVideoBatchLine(BaseModel):
    """What became of one request of a batch: a video, or the error it was refused with."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: int
    custom_id: str | None = None
    video_id: str | None = None
    status: str | None = None
    progress: int | None = None
    error: dict[str, JsonValue] | None = None


class SoraVideoBatch(BaseModel):
    """Many requests sent together."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    counts: dict[str, int]
    data: tuple[SoraVideoBatchLine, ...]

    @property
    def unfinished(self) -> int:
        """How many renders have not reached their end."""
        return self.counts.get("queued", 0) + self.counts.get("in_progress", 0)


class JsonObject(RootModel[dict[str, JsonValue]]):
    """An answer of which no more is known than that it is a JSON object."""


class Observed(TypedDict, total=False):
    """What a caller saw of a video; every field is optional and named as in the protocol."""

    video_id: str
    status: str
    progress: int
    model: str
    seconds: str
    size: str
    prompt: str
    remix_video_id: str
    input_reference: dict[str, JsonValue]
    storage_uri: str
    webhook_event_id: str

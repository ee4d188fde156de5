"""The protocol's objects as renderers really send them, read tolerantly into `JobNews`. Pure.

What decides about money and identity (that there is an id, that a page is whole) is strict; everything else gives way:
unknown words, missing fields and odd types of the servers in the field never lose a job.
"""

import math
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bickford_sora.renderers.port import Character, JobNews, JobStatus

JOB_ID_CHARS_MAX = 512
JOBS_MAX = 100_000
"""Jobs of one page, and of a whole list: to read so many takes two seconds and 100 MB."""
MESSAGE_CHARS_MAX = 2_000
FIELD_CHARS_MAX = 256
OUTPUTS_MAX = 100
FRAMES_MAX = 10_000_000
DURATION_S_MAX = 7 * 24 * 3600.0
"""Longest video, or work on one, that is believed, in seconds."""
COST_USD_MAX = 10_000_000_000
"""Most that is read of a charge: far more than is settled (`settlement.AMOUNT_MICRO_MAX`), so that it is seen for what
it is, and the renderer is stopped."""
FAILED_CODE = "renderer_failed"
"""Of a failed job when the renderer gives no usable reason."""

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_STATUS_OF_WORD: dict[str, JobStatus] = {
    **dict.fromkeys(("queued", "pending", "submitted", "created", "accepted", "waiting"), "queued"),
    **dict.fromkeys(
        ("in_progress", "processing", "running", "generating", "rendering", "postprocessing"), "in_progress"
    ),
    **dict.fromkeys(("completed", "complete", "succeeded", "success", "finished", "done"), "completed"),
    **dict.fromkeys(("failed", "error", "cancelled", "canceled", "expired", "deleted", "rejected"), "failed"),
}
_ENDED_WITHOUT_ERROR = {"cancelled": "cancelled", "canceled": "cancelled", "expired": "expired", "deleted": "deleted"}


class NonsenseAnswer(ValueError):  # noqa: N818 - the name states the cause
    """The body is not what the protocol says it must at least be. Its text quotes nothing of the body."""


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if len(text) <= FIELD_CHARS_MAX else None


def _as_prompt(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _as_progress(value: Any) -> int:
    number = _as_number(value)
    return 0 if number is None else int(min(max(number, 0), 100))


def _as_moment(value: Any) -> datetime | None:
    seconds = _as_number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _as_outputs(value: Any) -> int | None:
    number = _as_number(value)
    return None if number is None or number < 1 else int(min(number, OUTPUTS_MAX))


def _as_frames(value: Any) -> int | None:
    number = _as_number(value)
    return None if number is None or not 1 <= number <= FRAMES_MAX else int(number)


def _as_duration(value: Any) -> float | None:
    number = _as_number(value)
    return None if number is None or not 0 <= number <= DURATION_S_MAX else number


def _as_micro(usage: Any) -> int | None:
    """US dollars of a `usage` as millionths, the half to the even one.

    None where somebody else bills us for the rest (`is_byok`, our own key at the server behind it).
    """
    if isinstance(usage, dict) and usage.get("is_byok"):
        return None
    cost = _as_number(usage.get("cost")) if isinstance(usage, dict) else None
    if cost is None or cost < 0:
        return None
    return int((Decimal(str(min(cost, COST_USD_MAX))) * 1_000_000).to_integral_value(ROUND_HALF_EVEN))


def _is_no_path(job_id: str) -> str:
    if job_id in {".", ".."}:
        raise ValueError("an id that would change the path of a request")
    return job_id


_JobId = Annotated[str, Field(strict=True, pattern=rf"^[!-~]{{1,{JOB_ID_CHARS_MAX}}}$"), AfterValidator(_is_no_path)]
_Text = Annotated[str | None, BeforeValidator(_as_text)]
_Moment = Annotated[datetime | None, BeforeValidator(_as_moment)]
_Duration = Annotated[float | None, BeforeValidator(_as_duration)]


class _Video(BaseModel):
    """A video object (videos-api.md 1.2) or a peer's idea of one (videos-api.md 3)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: _JobId
    status: _Text = None
    progress: Annotated[int, BeforeValidator(_as_progress)] = 0
    model: _Text = None
    seconds: _Text = None
    size: _Text = None
    prompt: Annotated[str | None, BeforeValidator(_as_prompt)] = None
    remixed_from_video_id: _Text = None
    created_at: _Moment = None
    completed_at: _Moment = None
    expires_at: _Moment = None
    error: Any = None
    duration: _Text = None
    """TensorRT-LLM's word for `seconds`."""
    num_outputs: Annotated[int | None, BeforeValidator(_as_outputs)] = None
    num_frames: Annotated[int | None, BeforeValidator(_as_frames)] = None
    duration_s: _Duration = None
    inference_time_s: _Duration = None
    usage: Annotated[int | None, BeforeValidator(_as_micro)] = None


class _Character(BaseModel):
    """A character (videos-api.md 1.2)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: _JobId
    name: Annotated[str | None, BeforeValidator(_as_prompt)] = None
    created_at: _Moment = None


class _Page(BaseModel):
    """A list page; FastVideo and TensorRT-LLM send `data` alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    data: Annotated[list[_Video], Field(max_length=JOBS_MAX)]
    has_more: bool | None = None
    last_id: str | None = Field(default=None, max_length=JOB_ID_CHARS_MAX)


class _Deleted(BaseModel):
    """The answer to a delete; SGLang and FastVideo send the video instead, without `deleted`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    deleted: bool = True


class JobPage:
    """One page of a renderer's list.

    Attributes:
        jobs: in the renderer's order.
        next_after: what to list after for the next page; None when this one is the last.

    Raises:
        NonsenseAnswer: the body is no page, or it promises more without saying where.
    """

    def __init__(self, body: bytes) -> None:
        try:
            page = _Page.model_validate_json(body)
        except ValidationError:
            raise NonsenseAnswer("not a list of videos") from None
        self.jobs = tuple(_news(video) for video in page.data)
        self.next_after = _next_after(page)


def _next_after(page: _Page) -> str | None:
    if page.has_more is False:
        return None
    last_id = page.last_id or (page.data[-1].id if page.has_more and page.data else None)
    if page.has_more and not page.data:
        raise NonsenseAnswer("a page that promises more after nothing")
    # as the protocol's own client: without `has_more`, `last_id` says whether to go on
    return last_id if page.data else None


def read_job(body: bytes) -> JobNews:
    """What a video object says.

    Raises:
        NonsenseAnswer: the body is no JSON object with a usable id.
    """
    try:
        video = _Video.model_validate_json(body)
    except ValidationError:
        raise NonsenseAnswer("not a video") from None
    return _news(video)


def read_character(body: bytes, *, name: str) -> Character:
    """What a character object says; `name` is what was asked for, should it not say.

    Raises:
        NonsenseAnswer: the body is no JSON object with a usable id.
    """
    try:
        made = _Character.model_validate_json(body)
    except ValidationError:
        raise NonsenseAnswer("not a character") from None
    return Character(made.id, made.name or name, made.created_at)


def read_deleted(body: bytes) -> bool:
    """Whether the answer to a delete says that it was done.

    Raises:
        NonsenseAnswer: the body is no JSON object.
    """
    try:
        return _Deleted.model_validate_json(body).deleted
    except ValidationError:
        raise NonsenseAnswer("not the answer to a delete") from None


def seconds_of(said: str | None) -> float | None:
    """A length as `seconds` has it, as a number; None where it is none that can be believed."""
    return _as_duration(said)


def _news(video: _Video) -> JobNews:
    word = (video.status or "queued").lower()
    # a word nobody knows is no end: the job is asked for again until it says one
    status = _STATUS_OF_WORD.get(word, "in_progress")
    failed = status == "failed"
    code, message = read_error(video.error) if failed else (None, None)
    return JobNews(
        job_id=video.id,
        status=status,
        progress=100 if status == "completed" else video.progress,
        model=video.model,
        seconds=video.seconds or video.duration,
        size=video.size,
        prompt=video.prompt,
        remixed_from_job_id=video.remixed_from_video_id,
        created_at=video.created_at,
        completed_at=video.completed_at,
        expires_at=video.expires_at,
        error_code=(code or _ENDED_WITHOUT_ERROR.get(word, FAILED_CODE)) if failed else None,
        error_message=message,
        outputs=video.num_outputs,
        duration_s=video.duration_s,
        frames=video.num_frames,
        inference_s=video.inference_time_s,
        cost_micro=video.usage,
    )


def read_error(error: Any) -> tuple[str | None, str | None]:
    """Code and message of an `error`, which is an object or, with some servers, a string.

    A code that is not a plain word is dropped, a message is cut to MESSAGE_CHARS_MAX.
    """
    if isinstance(error, str):
        return None, error[:MESSAGE_CHARS_MAX]
    if not isinstance(error, dict):
        return None, None
    code, message = _as_text(error.get("code")), error.get("message")
    plain = code if code and _PLAIN_WORD.fullmatch(code) else None
    return plain, message[:MESSAGE_CHARS_MAX] if isinstance(message, str) else None

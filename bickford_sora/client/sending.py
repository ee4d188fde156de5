"""What is decided before and after a call: its image, its pace, whether it is repeated, what its answer means. Pure."""

import mimetypes
import secrets
import threading
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from bickford_sora.client.errors import KINDS, SoraVideoError, SoraVideoUnreachable
from bickford_sora.client.http import Answer, Call, FilePart, NoAnswer
from bickford_sora.client.limits import (
    BACKOFF_FIRST_S,
    MESSAGE_CHARS_MAX,
    REFERENCE_BYTES_MAX,
    RETRY_AFTER_HONOURED_S_MAX,
)
from bickford_sora.client.models import InputReference

RETRIED = frozenset({429, 502, 503, 504})
"""Statuses that pass by themselves."""
NOTHING_DONE = frozenset({429, 503})
"""Statuses with which our server says that it recorded nothing."""

DIGITS_MAX = 12
"""Digits of a number in a header that are read; a longer one means for ever all the same."""


class Pace:
    """Keeps creates apart. Safe to use from several threads."""

    def __init__(self, min_interval_s: float) -> None:
        self._min_interval_s = min_interval_s
        self._next_at = 0.0
        self._lock = threading.Lock()

    def wait_s(self, now: float) -> float:
        """Takes the next free slot and returns how long to wait for it, in seconds. `now` is of a monotonic clock."""
        with self._lock:
            slot = max(now, self._next_at) if self._min_interval_s > 0 else now
            self._next_at = slot + self._min_interval_s
            return slot - now


def new_idempotency_key() -> str:
    """A key for one logical create, kept over its retries."""
    return f"bickford-{secrets.token_hex(16)}"


def video_path(video_id: str, *rest: str) -> str:
    """The path of one video. Raises ValueError for an empty id, which would name all of them."""
    if not video_id:
        raise ValueError("a video id is not empty")
    return "/".join(["/videos", quote(video_id, safe=""), *rest])


def thread_path(thread_id: str) -> str:
    """The path of a thread's observations. Raises ValueError for an empty id."""
    if not thread_id:
        raise ValueError("a thread id is not empty")
    return f"/threads/{quote(thread_id, safe='')}/observations"


def given(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields that were given, as text."""
    return {name: str(value) for name, value in fields.items() if value is not None}


def read_reference(image: InputReference) -> FilePart:
    """The image as a part of a form, read once so that a retry sends the same bytes.

    Raises OSError when the file cannot be read, ValueError when it is larger than `REFERENCE_BYTES_MAX`.
    """
    if isinstance(image, bytes):
        name, content = "input_reference", image
    elif isinstance(image, str | PathLike):
        path = Path(image)
        with path.open("rb") as file:
            name, content = path.name, file.read(REFERENCE_BYTES_MAX + 1)
    else:
        name, content = Path(str(getattr(image, "name", "input_reference"))).name, image.read(REFERENCE_BYTES_MAX + 1)
    if len(content) > REFERENCE_BYTES_MAX:
        raise ValueError(f"the reference image has more than {REFERENCE_BYTES_MAX} bytes")
    return FilePart(name, mimetypes.guess_type(name)[0] or "application/octet-stream", content)


def pause_before_retry_s(answer: Answer | NoAnswer, call: Call, attempt: int) -> float | None:
    """How long to wait before the call is repeated, in seconds; None when it is not to be.

    `x-should-retry` decides where the server sends it, as with the SDKs; `attempt` counts from 0. A call that may not
    be repeated is, where the server says that it did nothing (429 and 503).
    """
    backoff_s: float = BACKOFF_FIRST_S * 2**attempt
    if isinstance(answer, NoAnswer):
        return backoff_s if call.repeatable else None
    if not call.repeatable and answer.status not in NOTHING_DONE:
        return None
    wish = answer.headers.get("x-should-retry")
    if wish == "false" or (wish != "true" and answer.status not in RETRIED):
        return None
    asked_s = _asked_pause_s(answer.headers)
    if asked_s is None:
        return backoff_s
    return asked_s if asked_s <= RETRY_AFTER_HONOURED_S_MAX else None


def _asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """What `retry-after-ms` or `retry-after` ask for, in seconds. The form that is a date is not read: ours is none."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        given_by_server = headers.get(name, "")
        if given_by_server.isdecimal():
            return int(given_by_server[:DIGITS_MAX]) * unit_s
    return None


def poll_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause between polls the server suggests (`openai-poll-after-ms`), in seconds."""
    milliseconds = headers.get("openai-poll-after-ms", "")[:DIGITS_MAX]
    return int(milliseconds) / 1000 if milliseconds.isdecimal() else None


def error_of(answer: Answer | NoAnswer, call: Call, *, api_key: str) -> SoraVideoError:
    """The error to raise for a call that did not do what it was to do. Its text does not hold the key."""
    if isinstance(answer, NoAnswer):
        return SoraVideoUnreachable(
            f"The server did not answer ({answer.reason}).", code="unreachable", video_id=call.video_id
        )
    said = _said(answer.body)
    message = str(said.get("message") or f"The server answered with status {answer.status}.")
    return KINDS.get(answer.status, SoraVideoError)(
        message.replace(api_key, "[API key]")[:MESSAGE_CHARS_MAX],
        code=str(said.get("code") or said.get("type") or f"http_{answer.status}"),
        video_id=call.video_id,
        status_code=answer.status,
        param=_text(said.get("param")),
        request_id=answer.headers.get("x-request-id"),
    )


Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], answer: Answer, call: Call) -> Model:
    """The answer's body as `model`. Raises SoraVideoError when it is something else."""
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        problem = SoraVideoError(
            "The server's answer is not what the protocol says. Check that the base URL ends in /v1 of this server.",
            code="answer_invalid",
            video_id=call.video_id,
            status_code=answer.status,
            request_id=answer.headers.get("x-request-id"),
        )
    # Outside the `except`: a chained error would repeat what the server sent.
    raise problem


class _ErrorBody(BaseModel):
    error: dict[str, Any]


def _said(body: bytes) -> dict[str, Any]:
    try:
        return _ErrorBody.model_validate_json(body).error
    except ValidationError:
        return {}


def _text(value: object) -> str | None:
    return None if value is None else str(value)

"""What a renderer's error answers mean, for a submit and for everything else. Pure.

For a submit the question is whether the renderer can have taken the job. A status that says so by its own definition
(RFC 9110 section 15.5) is a refusal; a status that a server or a proxy also gives after the work began (408, 409, 499,
500, 502, 504, anything unheard of) leaves the outcome unknown.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson

from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.retry_after import read_retry_after_s
from bickford_sora.renderers.transport import Answer
from bickford_sora.renderers.wire import MESSAGE_CHARS_MAX, read_error

_REFUSED = {
    400: "renderer_request_invalid",
    401: "renderer_unauthorized",
    402: "renderer_payment_required",
    403: "renderer_not_enabled",
    404: "renderer_not_enabled",
    413: "renderer_request_too_large",
    422: "renderer_request_invalid",
}
_NO_SUCH_MODEL = frozenset({"model_not_found", "invalid_model"})
"""Codes that mean the model, whatever the status."""
_REFUSED_FOR_NOW = {429: "renderer_rate_limited", 503: "renderer_unavailable"}
_MAYBE_TAKEN = frozenset({408, 409, 499})
"""Client errors that do not exclude that an earlier or the same request got through."""
_GONE = frozenset({404, 410})
_NO_SUCH_LIST = frozenset({404, 405, 501})
_TOO_EARLY = frozenset({409, 425})
_EXPIRED_WORDS = ("downloads expire", "no longer available", "not found on disk")
_NOT_READY_WORDS = ("not ready", "not completed", "not complete", "in progress", "in-progress", "still being generated")
_EXPIRED_CODES = frozenset({"video_expired"})
_NOT_READY_CODES = frozenset({"video_not_ready"})


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer that is no success."""

    http_status: int
    renderer_code: str | None
    message: str | None = field(repr=False)
    retry_after_s: float | None
    spoken: bool
    """Whether the body is JSON, as a renderer's is; a proxy in front of it answers in HTML or nothing."""
    param: str | None = None
    """The field that it says is wrong."""

    @property
    def is_about_model(self) -> bool:
        """Whether it does not know the model. By code and field alone: a message may repeat what a client wrote."""
        code = self.renderer_code
        return code in _NO_SUCH_MODEL or (code == "invalid_value" and self.param == "model")

    def about(self) -> dict[str, Any]:
        """What every error made of this answer carries."""
        return {
            "http_status": self.http_status,
            "renderer_code": self.renderer_code,
            "message": self.message,
            "retry_after_s": self.retry_after_s,
        }


def read_error_answer(answer: Answer, *, now: datetime) -> ErrorAnswer:
    """Read `{"error": {"code", "message"}}`, `{"error": "…"}`, FastAPI's `{"detail": …}`, or plain text."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    spoken = isinstance(body, dict)
    code, message = _cause(body) if isinstance(body, dict) else (None, _text(answer.body))
    param = _param(body) if isinstance(body, dict) else None
    return ErrorAnswer(answer.status, code, message, read_retry_after_s(answer.headers, now), spoken, param)


def _cause(body: dict[str, Any]) -> tuple[str | None, str | None]:
    if "error" in body:
        return read_error(body["error"])
    detail = body.get("detail")
    if isinstance(detail, list):
        return None, orjson.dumps(detail).decode()[:MESSAGE_CHARS_MAX]
    return read_error(detail) if detail is not None else read_error(body)


def _param(body: dict[str, Any]) -> str | None:
    error = body.get("error")
    param = error.get("param") if isinstance(error, dict) else None
    return param if isinstance(param, str) else None


def _text(body: bytes) -> str | None:
    return body.decode("utf-8", "replace")[:MESSAGE_CHARS_MAX] or None


def of_submit(
    answer: ErrorAnswer, *, from_source: bool, refusals: Collection[int] = frozenset()
) -> Refused | UnknownOutcome:
    """What an error answer to a submit means.

    `from_source`: whether the request names a job of the renderer. `refusals`: further statuses by which this kind of
    renderer, when it is itself that speaks, says that it took nothing.
    """
    status = answer.http_status
    if status in _REFUSED_FOR_NOW:
        return Refused(_REFUSED_FOR_NOW[status], terminal=False, **answer.about())
    if status in refusals and answer.spoken:
        return Refused(_code_of(answer), terminal=True, **answer.about())
    if status in _MAYBE_TAKEN or not 400 <= status < 500:  # noqa: PLR2004 - the 4xx class
        return UnknownOutcome(_code_of(answer), **answer.about())
    if from_source and status in _GONE:
        return Refused("renderer_source_gone", terminal=True, **answer.about())
    if answer.is_about_model:  # hosted services say so with 400: each render of it would fail
        return Refused("renderer_not_enabled", terminal=True, **answer.about())
    return Refused(_REFUSED.get(status, "renderer_refused"), terminal=True, **answer.about())


def of_read(answer: ErrorAnswer) -> JobGone | ReadFailed:
    """What an error answer to a question about a job means.

    Only a renderer that speaks can say that it has no such job: a 404 page of a proxy must not lose it.
    """
    if answer.http_status in _GONE and answer.spoken:
        return JobGone("renderer_job_gone", **answer.about())
    return ReadFailed(_code_of(answer), **answer.about())


def of_list(answer: ErrorAnswer, *, first_page: bool) -> ReadFailed:
    """What an error answer to a list means. Never that a job is gone."""
    unsupported = first_page and answer.http_status in _NO_SUCH_LIST
    return ReadFailed("renderer_list_unsupported" if unsupported else _code_of(answer), **answer.about())


def of_content(answer: ErrorAnswer) -> AssetExpired | NotReady | ReadFailed:
    """What an error answer to a download means."""
    words = (answer.message or "").lower()
    expired = answer.renderer_code in _EXPIRED_CODES or any(said in words for said in _EXPIRED_WORDS)
    early = answer.renderer_code in _NOT_READY_CODES or any(said in words for said in _NOT_READY_WORDS)
    if answer.spoken and answer.http_status < 500:  # noqa: PLR2004 - a 5xx says nothing about the file
        if not expired and (early or answer.http_status in _TOO_EARLY):
            return NotReady("renderer_asset_not_ready", **answer.about())
        if expired or answer.http_status == HTTPStatus.GONE:
            return AssetExpired("renderer_asset_expired", **answer.about())
        if answer.http_status == HTTPStatus.NOT_FOUND:
            # no word of its time being over: the file may not be there yet, or the route may be missing for a moment
            return ReadFailed("renderer_asset_missing", **answer.about())
    return ReadFailed(_code_of(answer), **answer.about())


def _code_of(answer: ErrorAnswer) -> str:
    status = answer.http_status
    if status in _REFUSED_FOR_NOW:
        return _REFUSED_FOR_NOW[status]
    if status in _GONE:
        return "renderer_answer_invalid"
    if status in _MAYBE_TAKEN:
        return "renderer_conflict" if status == 409 else "renderer_no_answer"  # noqa: PLR2004 - Conflict
    if status >= 500:  # noqa: PLR2004 - the 5xx class
        return "renderer_error"
    if status >= 400:  # noqa: PLR2004 - the 4xx class
        return _REFUSED.get(status, "renderer_refused")
    return "renderer_redirected" if status >= 300 else "renderer_answer_invalid"  # noqa: PLR2004 - the 3xx class

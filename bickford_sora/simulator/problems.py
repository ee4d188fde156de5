"""Refusals in the protocol's shape: ``{"error": {"message", "type", "param", "code"}}`` (videos-api.md 1.4)."""

from fastapi.responses import JSONResponse

EXPIRED_MESSAGE = "The video is no longer available. Downloads expire after 1 hours."


class Problem(Exception):  # noqa: N818 - named as in RFC 9457: it is an answer, not a defect
    """A call that is refused with `status` and an error body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    def as_response(self) -> JSONResponse:
        """The answer to send."""
        error = {"message": self.message, "type": _type_of(self.status), "param": self.param, "code": self.code}
        headers = {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}
        return JSONResponse({"error": error}, status_code=self.status, headers=headers)


def invalid(message: str, *, param: str, code: str = "invalid_value") -> Problem:
    """A 400 that names the field at fault."""
    return Problem(400, message, code=code, param=param)


def not_found(video_id: str) -> Problem:
    """The 404 for an id that is not known, whatever the reason."""
    return Problem(404, f"Video with id '{video_id}' not found.", code="video_not_found", param="video_id")


def _type_of(status: int) -> str:
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004 - the 5xx class

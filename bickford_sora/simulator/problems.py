"""Refusals. How one is told is the flavour's (`refused`): here is what all of them tell."""

from http import HTTPStatus

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

    @property
    def type(self) -> str:
        """The protocol's type of such an error (videos-api.md 1.4)."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return "rate_limit_error"
        return "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"

    @property
    def headers(self) -> dict[str, str]:
        """Those the answer has beside the usual ones."""
        return {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}


def invalid(message: str, *, param: str, code: str = "invalid_value") -> Problem:
    """A 400 that names the field at fault."""
    return Problem(400, message, code=code, param=param)

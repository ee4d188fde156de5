# ruff: noqa: N818 - the names state the cause, as those of the ledger do
"""What the client raises, by cause.

SoraVideoError
├── SoraVideoUnreachable     no whole answer came, after all retries
├── SoraVideoUnauthorized    no API key, or one the server does not know
├── SoraVideoDenied          policy refused the render; nothing is billed
├── SoraVideoNotFound        no such video in this key's project
├── SoraVideoRateLimited     too many requests, after all retries
├── SoraVideoFailed          the render was followed to its end, and that is a failure
└── SoraVideoTimeout         the render was followed for as long as was asked, and goes on

No text of these ever holds the API key.
"""

from http import HTTPStatus

from bickford_sora.client.models import SoraVideo


class SoraVideoError(Exception):
    """Something was wrong with a call.

    Attributes:
        code: stable name of the cause: the server's own, or one of ours (`unreachable`, `answer_invalid`,
            `answer_too_large`, `poll_timeout`).
        video_id: the video it was about, when one is known.
        status_code: of the HTTP answer; None when there was none.
        param: the request's field that was wrong.
        request_id: the server's name for the request, for its logs.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        video_id: str | None = None,
        status_code: int | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.video_id = video_id
        self.status_code = status_code
        self.param = param
        self.request_id = request_id


class SoraVideoUnreachable(SoraVideoError):
    """No whole answer came. A create may still have been accepted: repeat it with the same `idempotency_key`."""


class SoraVideoUnauthorized(SoraVideoError):
    """No API key, or one the server does not know."""


class SoraVideoDenied(SoraVideoError):
    """Policy refused the render. Nothing was sent to a renderer and nothing is billed."""


class SoraVideoNotFound(SoraVideoError):
    """No such video in this key's project."""


class SoraVideoRateLimited(SoraVideoError):
    """Too many requests, also after all retries."""


class SoraVideoFailed(SoraVideoError):
    """The render ended without a video; `video` is its last state."""

    def __init__(self, video: SoraVideo) -> None:
        failure = video.error
        message = failure.message if failure else f"The render ended as {video.status}."
        super().__init__(message, code=failure.code if failure else video.status, video_id=video.id)
        self.video = video


class SoraVideoTimeout(SoraVideoError):
    """The render is still going on; `video` is its last state. Retrieve or poll it later."""

    def __init__(self, video: SoraVideo, timeout_s: float) -> None:
        super().__init__(
            f"The render did not end within {timeout_s:g} s and goes on. Ask for it again later.",
            code="poll_timeout",
            video_id=video.id,
        )
        self.video = video


KINDS: dict[int, type[SoraVideoError]] = {
    HTTPStatus.UNAUTHORIZED: SoraVideoUnauthorized,
    HTTPStatus.FORBIDDEN: SoraVideoDenied,
    HTTPStatus.NOT_FOUND: SoraVideoNotFound,
    HTTPStatus.TOO_MANY_REQUESTS: SoraVideoRateLimited,
}
"""Which error an HTTP status is raised as; any other is a plain SoraVideoError."""

"""What a client is told when something is wrong, in the Videos API's own error shape.

    {"error": {"message": …, "type": …, "param": …, "code": …}}

ProtocolError
├── InvalidRequest       400  the request itself is wrong; `param` names the field
├── NotReady             400  what was asked for does not exist yet
├── Unauthorized         401
├── Denied               403  policy refused it; nothing was sent, nothing is billed
│   └── ApprovalRequired  403  policy wants an approver to look at it first
├── RoleMissing          403  the API key is not for this, or not for so much
│   └── RequesterNotAllowed  403  it may not say on whose behalf it asks
├── LinkRefused          403  a signed link was altered, or has ended
├── NotFound             404  unknown, another project's, or deleted: the three look alike
├── TooSlow              408  the body stopped coming; nothing was recorded
├── Conflicting          409  the video is in a state that does not allow this
├── Gone                 410  it existed and is gone for good
├── PreconditionFailed   412  the file is not the version the request was meant for
├── TooLarge             413
├── KeyReused            422  an Idempotency-Key came with another request
├── TooManyRequests      429  the API key's rate limit; sent again after a pause it will do
├── QuotaExceeded        429  a budget is used up; sent again it will not do
├── Unsupported          400  the configured renderer cannot do this
├── Unreadable           500  this version cannot read what was recorded; its code says why
└── TryLater             503  nothing was recorded; the same request may be sent again
    ├── ClocksApart      503  this machine's clock is wrong (`bickford_sora.clocks`); another server may take it
    ├── RouteStopped     503  nobody takes it until an operator has looked; asking again at once is in vain
    └── OutcomeUnknown   503  perhaps it was recorded: look before it is sent again

Messages never have the plural of "video": a widely used client replaces any message that has it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from bickford_sora.allowance import Allowance

NO_RETRY: Mapping[str, str] = MappingProxyType({"x-should-retry": "false"})
"""Tells the SDKs not to send the same request again."""


_PLURAL = re.compile("(video)s", re.IGNORECASE)


def without_plural(message: str) -> str:
    """The message without the word that makes a client replace it."""
    return _PLURAL.sub(r"\1", message)


class ProtocolError(Exception):
    """An error with its place in the protocol. `message` says the cause and the next action."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    headers: Mapping[str, str] = MappingProxyType({})
    allowance: Allowance | None = None
    """What was left of the limits, where they were looked at."""

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param

    def body(self) -> dict[str, dict[str, str | None]]:
        """The JSON body."""
        message = without_plural(self.message)
        return {"error": {"message": message, "type": self.type, "param": self.param, "code": self.code}}


class InvalidRequest(ProtocolError):  # noqa: N818 - named as the protocol names it
    """The request is wrong; sending it again will not help."""

    status = 400
    type = "invalid_request_error"


class NotReady(InvalidRequest):
    """What was asked for does not exist yet."""


class Unsupported(InvalidRequest):
    """The configured renderer cannot do this."""


class Unauthorized(InvalidRequest):
    """No key, or one we do not know."""

    status = 401
    headers = MappingProxyType({"www-authenticate": "Bearer"})


class Denied(ProtocolError):  # noqa: N818
    """Policy refused the render."""

    status = 403
    type = "permission_error"


class ApprovalRequired(Denied):
    """An approver has to look at it first."""


class RoleMissing(ProtocolError):  # noqa: N818 - it names what is missing
    """The API key is good, and not for this."""

    status = 403
    type = "permission_error"
    headers = NO_RETRY


class RequesterNotAllowed(RoleMissing):
    """The API key may not say on whose behalf it asks."""


class LinkRefused(InvalidRequest):
    """A signed link was altered, or has ended."""

    status = 403


class NotFound(InvalidRequest):
    """Unknown, another project's, or deleted."""

    status = 404


class TooSlow(InvalidRequest):
    """The body stopped coming."""

    status = 408


class Conflicting(InvalidRequest):
    """The video is in a state that does not allow this."""

    status = 409
    headers = NO_RETRY


class Gone(InvalidRequest):
    """It existed and is gone for good."""

    status = 410


class PreconditionFailed(InvalidRequest):
    """The file is not the version the request was meant for (RFC 9110 section 13.1.1)."""

    status = 412


class TooLarge(InvalidRequest):
    """More bytes than the limit the message names."""

    status = 413


class KeyReused(InvalidRequest):
    """An Idempotency-Key came with another request than the one it is bound to."""

    status = 422
    headers = NO_RETRY


class TooManyRequests(ProtocolError):  # noqa: N818
    """The API key's rate limit is reached. Whether to send it again is left to the client, when is not."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, *, code: str, retry_after_ms: int) -> None:
        super().__init__(message, code=code)
        seconds = -(-retry_after_ms // 1000)  # the shorter unit is not known to everybody; neither comes too early
        self.headers = {"retry-after": str(seconds), "retry-after-ms": str(retry_after_ms)}


class QuotaExceeded(ProtocolError):  # noqa: N818
    """A budget is used up. The same request will not do before it is raised, or its period ends."""

    status = 429
    type = "insufficient_quota"
    headers = NO_RETRY


class Unreadable(ProtocolError):  # noqa: N818
    """Something on record cannot be read by this version of the program, or is not what was written."""

    headers = NO_RETRY


class TryLater(ProtocolError):  # noqa: N818
    """Nothing was recorded. The same request may be sent again."""

    status = 503
    headers: Mapping[str, str] = MappingProxyType({"retry-after": "1"})


class RouteStopped(TryLater):
    """Every renderer that could take it is stopped until an operator has looked."""

    headers = MappingProxyType({"retry-after": "60", **NO_RETRY})


class NotRebuilt(TryLater):
    """What answers this is of another version than the program, until an operator has rebuilt it."""

    headers = MappingProxyType({"retry-after": "60", **NO_RETRY})


class OutcomeUnknown(TryLater):
    """The answer of the ledger was lost. Sent again without an Idempotency-Key, the request could be paid for twice."""

    headers = NO_RETRY

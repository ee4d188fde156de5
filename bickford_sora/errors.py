"""What a client is told when something is wrong, in the Videos API's own error shape.

    {"error": {"message": …, "type": …, "param": …, "code": …}}

ProtocolError
├── InvalidRequest       400  the request itself is wrong; `param` names the field
├── NotReady             400  what was asked for does not exist yet
├── Unauthorized         401
├── Denied               403  policy refused it; nothing was sent, nothing is billed
├── NotFound             404  unknown, another project's, or deleted: the three look alike
├── TooSlow              408  the body stopped coming; nothing was recorded
├── Conflicting          409  the video is in a state that does not allow this
├── Gone                 410  it existed and is gone for good
├── TooLarge             413
├── KeyReused            422  an Idempotency-Key came with another request
├── Unsupported          400  the configured renderer cannot do this
└── TryLater             503  nothing was recorded; the same request may be sent again
    └── OutcomeUnknown   503  perhaps it was recorded: look before it is sent again

Messages never have the plural of "video": a widely used client replaces any message that has it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

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


class TooLarge(InvalidRequest):
    """More bytes than the limit the message names."""

    status = 413


class KeyReused(InvalidRequest):
    """An Idempotency-Key came with another request than the one it is bound to."""

    status = 422


class TryLater(ProtocolError):  # noqa: N818
    """Nothing was recorded. The same request may be sent again."""

    status = 503
    headers: Mapping[str, str] = MappingProxyType({"retry-after": "1"})


class OutcomeUnknown(TryLater):
    """The answer of the ledger was lost. Sent again without an Idempotency-Key, the request could be paid for twice."""

    headers = NO_RETRY

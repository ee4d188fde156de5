"""What became of the answer to a request that makes a render and has no Idempotency-Key."""

from typing import ClassVar

from pydantic import Field

from ledger.envelope import Fact, Sha256


class AnswerUndelivered(Fact):
    """The client was gone before it could be told of this render."""

    TYPE: ClassVar[str] = "answer.undelivered"
    video_id: str
    request_hash: Sha256
    """Keyed hash of the parsed request."""


class AnswerRepeated(Fact):
    """The client asked again, as a repetition, and was told of the render it had not heard of. That happens once."""

    TYPE: ClassVar[str] = "answer.repeated"
    video_id: str
    retry_count: int = Field(ge=1)
    """As the client counts: `x-stainless-retry-count`."""

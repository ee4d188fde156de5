"""Many requests sent together: each is decided on its own, and its outcome is kept with the others'."""

from typing import ClassVar

from pydantic import Field

from ledger.envelope import Fact, Sha256
from ledger.events.parts import BatchLine


class BatchOpened(Fact):
    """Somebody sent many requests together. Always first, also of a batch none of whose lines is accepted."""

    TYPE: ClassVar[str] = "batch.opened"
    batch_id: str
    project: str
    requester: str
    lines: int = Field(ge=1)
    request_hash: Sha256
    """Keyed hash of all lines: the same batch sent again goes on with it."""


class BatchLinesDecided(Fact):
    """Some more lines were decided. Those that made a render have it whether or not this was recorded."""

    TYPE: ClassVar[str] = "batch.lines_decided"
    lines: tuple[BatchLine, ...] = Field(min_length=1)

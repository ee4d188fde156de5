"""Characters: what a renderer makes from a video of somebody or something, to show it again in other videos."""

from typing import ClassVar

from ledger.envelope import Fact, Moment, Sealed
from ledger.events.parts import SourceVideo


class CharacterRequested(Fact):
    """Somebody asked for a character. Recorded before the renderer is called, which happens once."""

    TYPE: ClassVar[str] = "character.requested"
    character_id: str
    project: str
    requester: str
    name: Sealed
    source_video: SourceVideo
    """The uploaded video it is made from."""
    renderer: str
    credential: str
    """Public name of the credential it is made with; never the secret."""
    replica: str
    """Base URL of the process that is asked, without credentials."""
    deadline_at: Moment
    """After this moment no answer is waited for any more: without one, the outcome is unknown."""
    idempotency_stream: str | None = None


class CharacterCreated(Fact):
    """The renderer made the character."""

    TYPE: ClassVar[str] = "character.created"
    renderer: str
    credential: str
    replica: str
    renderer_character_id: str
    """The renderer's own id."""


class CharacterRefused(Fact):
    """The renderer answered that it did not make the character."""

    TYPE: ClassVar[str] = "character.refused"
    code: str
    http_status: int | None = None
    message: Sealed | None = None


class CharacterUnknown(Fact):
    """No answer came: the renderer may or may not have made the character. Never the same as refused."""

    TYPE: ClassVar[str] = "character.unknown"
    code: str
    http_status: int | None = None

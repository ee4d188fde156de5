"""The keys that sign checkpoints of this ledger."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ledger.envelope import Fact

LogKeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
"""The id of a key in a signed note (c2sp.org/signed-note), in hex."""
Retirement = Literal["rotated", "lost", "stolen"]


class LogKeyPublished(Fact):
    """From here on checkpoints are signed with this key."""

    TYPE: ClassVar[str] = "log_key.published"
    key_id: LogKeyId
    origin: str
    """First line of the checkpoints, and the key's name in their signatures."""
    algorithm: Literal["ed25519"] = "ed25519"
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    """32 bytes in base64 (RFC 8032)."""


class LogKeyRetired(Fact):
    """This key signs no more. What it signed before stays signed."""

    TYPE: ClassVar[str] = "log_key.retired"
    key_id: LogKeyId
    reason: Retirement

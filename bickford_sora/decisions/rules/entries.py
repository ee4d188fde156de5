"""What every part of a policy file is written with."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StrictBool

Effect = Literal["deny", "require_approval", "warn", "allow"]
"""From the strongest to the weakest."""
OnHold = Literal["wait", "refuse"]
"""What becomes of a render that needs approval: it waits, or is refused until it has one."""

MESSAGE_CHARS_MAX = 500
LISTED_MAX = 1_000
"""Most names or words in one list."""
AMOUNT_MAX = 2**53
"""JSON readers keep larger integers only in part."""

Amount = Annotated[int, Strict(), Field(ge=0, le=AMOUNT_MAX)]
Count = Annotated[int, Strict(), Field(ge=1, le=AMOUNT_MAX)]
Flag = StrictBool
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Labels = Annotated[tuple[Label, ...], Field(min_length=1, max_length=LISTED_MAX)]
Message = Annotated[str, Field(min_length=1, max_length=MESSAGE_CHARS_MAX)]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")]


class Entry(BaseModel):
    """A part of a policy file. What it does not know it refuses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

"""What a requester declares beside the protocol: what a render is for, its tags, and what is vouched for.

Sent as fields of the body, or as headers by clients that can set nothing else; a field goes before its header.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from bickford_sora.decisions.wrong import invalid

Purpose = Literal["draft", "final"]

TAGS_MAX = 20
ATTESTATIONS_MAX = 20
_NAME = r"^[a-z][a-z0-9_-]{0,62}$"


def _names(value: object) -> object:
    """A list, or one text with commas, as distinct names in their order; an empty text is no name at all."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")] if value.strip() else []
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return value
    return tuple(sorted(set(value)))


Name = Annotated[str, Field(pattern=_NAME)]


class Declared(BaseModel):
    """What was declared. Names are lower-case letters, digits, `_` and `-`, and begin with a letter."""

    model_config = ConfigDict(strict=True, frozen=True)

    purpose: Purpose | None = None
    tags: Annotated[tuple[Name, ...], Field(max_length=TAGS_MAX), BeforeValidator(_names)] = ()
    attestations: Annotated[tuple[Name, ...], Field(max_length=ATTESTATIONS_MAX), BeforeValidator(_names)] = ()
    """What the requester vouches for, by name."""

    def given(self) -> dict[str, JsonValue]:
        """What was given, by name."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value}


HEADERS: Mapping[str, str] = MappingProxyType(
    {"purpose": "Bickford-Purpose", "tags": "Bickford-Tags", "attestations": "Bickford-Attestations"}
)
"""By field, the header that stands for it."""


def declared_by(headers: Mapping[str, str]) -> dict[str, object]:
    """What headers say, by the names of the fields they stand for. Raises InvalidRequest naming the header."""
    said: dict[str, object] = {name: headers[header] for name, header in HEADERS.items() if headers.get(header)}
    if not said:
        return said
    try:
        Declared.model_validate(said)
    except ValidationError as error:
        named = HEADERS[str(error.errors(include_url=False)[0]["loc"][0])]
        raise invalid(error, named=named) from None
    return said

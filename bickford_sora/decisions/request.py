"""What a client may ask for: the Videos API's create and remix requests, checked against what is offered."""

import re
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from bickford_sora.errors import InvalidRequest

_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
VALUE_CHARS_SHOWN_MAX = 80
"""How much of a wrong value an error repeats."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be asked for; the first of each is the default."""

    models: tuple[str, ...]
    seconds: tuple[str, ...]
    sizes: tuple[str, ...]
    prompt_chars_max: int


def _text(value: object) -> object:
    """A number where the protocol wants text, as some SDKs send it (`seconds=8`)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


class CreateFields(BaseModel):
    """The plain fields of a create request, as sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str
    model: Text | None = None
    seconds: Text | None = None
    size: Text | None = None


class RemixFields(BaseModel):
    """The only field of a remix request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str


@dataclass(frozen=True, slots=True)
class Image:
    """A reference image as uploaded."""

    content: bytes = field(repr=False)
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A valid request, defaults filled in."""

    prompt: str = field(repr=False)
    model: str
    seconds: str
    size: str
    image: Image | None = None

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        return pixels(self.size)


def create_request(fields: dict[str, object], image: Image | None, offer: Offer) -> VideoRequest:
    """A valid create request. Raises InvalidRequest naming the field, and what may be asked for instead."""
    asked = _validated(CreateFields, fields)
    return VideoRequest(
        prompt=checked_prompt(asked.prompt, offer),
        model=_offered("model", asked.model, offer.models),
        seconds=_offered("seconds", asked.seconds, offer.seconds),
        size=_offered("size", asked.size, offer.sizes),
        image=image,
    )


def remix_prompt(fields: dict[str, object], offer: Offer) -> str:
    """The prompt of a remix, the only thing that may change. Raises InvalidRequest naming any other field."""
    return checked_prompt(_validated(RemixFields, fields).prompt, offer)


def checked_prompt(prompt: str, offer: Offer) -> str:
    """The prompt, unchanged. Raises InvalidRequest when it is empty, too long, or no text."""
    if not prompt.strip():
        raise InvalidRequest("The prompt is empty. Describe the video you want.", code="empty_prompt", param="prompt")
    if len(prompt) > offer.prompt_chars_max:
        raise InvalidRequest(
            f"The prompt has {len(prompt)} characters; the limit is {offer.prompt_chars_max}.",
            code="prompt_too_long",
            param="prompt",
        )
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt is not valid Unicode text.", code="invalid_prompt", param="prompt") from None
    return prompt


def pixels(size: str) -> tuple[int, int]:
    """Width and height of a size such as `1280x720`. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"not a size: {size!r}")
    return int(match[1]), int(match[2])


def _offered(param: str, value: str | None, choices: tuple[str, ...]) -> str:
    if value is None:
        return choices[0]
    if value not in choices:
        shown = value[:VALUE_CHARS_SHOWN_MAX]
        raise InvalidRequest(
            f"Invalid value: {shown!r}. Supported values are: {', '.join(map(repr, choices))}.",
            code="model_not_found" if param == "model" else "invalid_value",
            param=param,
        )
    return value


Fields = TypeVar("Fields", CreateFields, RemixFields)


def _validated(kind: type[Fields], fields: dict[str, object]) -> Fields:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidRequest:
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"])[:VALUE_CHARS_SHOWN_MAX]
    if first["type"] == "missing":
        return InvalidRequest(f"Missing required parameter: {param!r}.", code="missing_required_parameter", param=param)
    if first["type"] == "extra_forbidden":
        return InvalidRequest(f"Unknown parameter: {param!r}.", code="unknown_parameter", param=param)
    return InvalidRequest(f"Invalid type for {param!r}: {first['msg']}.", code="invalid_type", param=param)

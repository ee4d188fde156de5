"""What a client asks for: the Videos API's requests, well formed. Whether somebody makes that is for `offers`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ConfigDict, JsonValue, ValidationError

from bickford_sora.decisions.declared import Declared
from bickford_sora.decisions.fields import SENT_AS, BeyondProtocol, renamed
from bickford_sora.decisions.media import (
    REFERENCE,
    SOURCE,
    File,
    Reference,
    Source,
    given_reference,
    given_source,
    only_file,
)
from bickford_sora.decisions.wrong import invalid
from bickford_sora.errors import InvalidRequest
from bickford_sora.renderers.port import Operation

_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


def _text(value: object) -> object:
    """A number where the protocol wants text, as some SDKs send it (`seconds=8`)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


class _Sent(Declared):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str

    def declared(self) -> Declared:
        """What was declared beside it."""
        return Declared(purpose=self.purpose, tags=self.tags, attestations=self.attestations)


class _Create(_Sent):
    model: Text | None = None
    seconds: Text | None = None
    size: Text | None = None
    remix_video_id: str | None = None


class _Edit(_Sent):
    model: Text | None = None


class _Extension(_Edit):
    seconds: Text


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A well-formed request, as sent: the same by whichever way it was sent. None: not given."""

    operation: Operation
    prompt: str = field(repr=False)
    model: str | None = None
    seconds: str | None = None
    """Of an extension: the new segment's."""
    size: str | None = None
    reference: Reference | None = None
    source: Source | None = None
    """None for a create and nothing else."""
    fields: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """Fields beyond the protocol."""
    declared: Declared = field(default_factory=Declared)


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A request that somebody makes, defaults filled in."""

    prompt: str = field(repr=False)
    model: str
    seconds: str
    """What is made anew: of an extension, the segment."""
    size: str
    operation: Operation = "create"
    fields: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    source_seconds: str | None = None
    """What an extension is added to."""
    declared: Declared = field(default_factory=Declared)


def create_request(fields: Mapping[str, object], files: Mapping[str, File]) -> ParsedRequest:
    """A create request; with `remix_video_id` a remix. Raises InvalidRequest naming the field that is wrong."""
    given = dict(fields)
    reference = given_reference(given.pop(REFERENCE, None), only_file(files, REFERENCE))
    asked, beyond = _validated(_Create, given)
    if asked.remix_video_id is not None and reference is not None:
        raise InvalidRequest(
            "A remix takes no reference image: leave out input_reference or remix_video_id.",
            code="parameters_conflict",
            param=REFERENCE,
        )
    remixed = asked.remix_video_id
    return ParsedRequest(
        operation="create" if remixed is None else "remix",
        prompt=_checked_prompt(asked.prompt),
        model=asked.model,
        seconds=asked.seconds,
        size=asked.size,
        reference=reference,
        source=None if remixed is None else Source(remixed, param="remix_video_id"),
        fields=beyond,
        declared=asked.declared(),
    )


def remix_request(video_id: str, fields: Mapping[str, object], files: Mapping[str, File]) -> ParsedRequest:
    """A remix: the prompt is the only thing of the protocol that may change."""
    only_file(files, None)
    asked, beyond = _validated(_Sent, fields)
    source = Source(video_id, param="video_id")
    prompt = _checked_prompt(asked.prompt)
    return ParsedRequest("remix", prompt, source=source, fields=beyond, declared=asked.declared())


def edit_request(fields: Mapping[str, object], files: Mapping[str, File]) -> ParsedRequest:
    """An edit of an uploaded video or of one of ours."""
    given = dict(fields)
    source = given_source(given.pop(SOURCE, None), only_file(files, SOURCE))
    asked, beyond = _validated(_Edit, given)
    prompt, declared = _checked_prompt(asked.prompt), asked.declared()
    return ParsedRequest("edit", prompt, asked.model, source=source, fields=beyond, declared=declared)


def extension_request(fields: Mapping[str, object], files: Mapping[str, File]) -> ParsedRequest:
    """A new segment at the end of an uploaded video or of one of ours; `seconds` is the segment's."""
    given = dict(fields)
    source = given_source(given.pop(SOURCE, None), only_file(files, SOURCE))
    asked, beyond = _validated(_Extension, given)
    prompt = _checked_prompt(asked.prompt)
    return ParsedRequest(
        "extend", prompt, asked.model, asked.seconds, source=source, fields=beyond, declared=asked.declared()
    )


def pixels(size: str) -> tuple[int, int]:
    """Width and height of a size such as `1280x720`. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"not a size: {size!r}")
    return int(match[1]), int(match[2])


def _checked_prompt(prompt: str) -> str:
    if not prompt.strip():
        raise InvalidRequest("The prompt is empty. Describe the video you want.", code="empty_prompt", param="prompt")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt is not valid Unicode text.", code="invalid_prompt", param="prompt") from None
    return prompt


Fields = TypeVar("Fields", bound=_Sent)


def _validated(kind: type[Fields], given: Mapping[str, object]) -> tuple[Fields, dict[str, JsonValue]]:
    """The protocol's fields, and those beyond it."""
    beyond = {name: value for name, value in given.items() if name in SENT_AS and value is not None}
    try:
        asked = kind.model_validate({name: value for name, value in given.items() if name not in SENT_AS})
        return asked, BeyondProtocol.model_validate(renamed(beyond)).given()
    except ValidationError as error:
        raise invalid(error) from None

"""Reads and checks what a client asks for, as strictly as the hosted API (videos-api.md 1.1)."""

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import av
from fastapi import Request, UploadFile
from PIL import Image, UnidentifiedImageError
from starlette.datastructures import UploadFile as FormFile

from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.settings import SimulatorSettings, parse_size

PROMPT_CHARS_MAX = 32_000
_REFERENCE_FORMATS = ("JPEG", "PNG", "WEBP")
_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_EDIT_FIELDS = frozenset({"prompt", "video", "model"})
_EXTEND_FIELDS = _EDIT_FIELDS | {"seconds"}
_CHARACTER_FIELDS = frozenset({"name", "video"})
NAME_CHARS_MAX = 80
_REMIX_FIELDS = frozenset({"prompt"})
_BRACKETED = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")

Fields = dict[str, Any]
"""A parsed body. An uploaded file has become its bytes; ``a[b]=c`` has become ``{"a": {"b": "c"}}``."""


@dataclass(frozen=True)
class CreateRequest:
    """A create call that may be accepted."""

    prompt: str
    model: str
    seconds: str
    size: str
    reference: bytes | None
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Clip:
    """An uploaded video, as far as its look and length are taken over."""

    first_frame: bytes
    width: int
    height: int
    seconds: int


@dataclass(frozen=True)
class SourceRequest:
    """An edit or extension that may be accepted, once its source is."""

    prompt: str
    source: Clip | str
    """The clip, or the id of the video."""
    model: str
    seconds: str | None
    """Of an extension: the new segment's."""


@dataclass(frozen=True)
class CharacterRequest:
    """A character that may be made."""

    name: str


async def read_fields(request: Request) -> Fields:
    """The fields of a multipart or JSON body.

    Raises:
        Problem: 400 when the body is neither.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        return await _read_form(request)
    try:
        fields = json.loads(await request.body())
    except ValueError as error:
        raise Problem(400, "We could not parse the JSON body of your request.", code="invalid_json") from error
    if not isinstance(fields, dict):
        raise Problem(400, "The body must be a JSON object.", code="invalid_json")
    return fields


async def _read_form(request: Request) -> Fields:
    fields: Fields = {}
    async with request.form() as form:
        for name, value in form.multi_items():
            content = await value.read() if isinstance(value, UploadFile | FormFile) else value
            bracketed = _BRACKETED.fullmatch(name)
            if bracketed is None:
                fields[name] = content
            else:
                parent = fields.setdefault(bracketed[1], {})
                if not isinstance(parent, dict):
                    raise invalid(f"'{bracketed[1]}' is given twice.", param=bracketed[1])
                parent[bracketed[2]] = content
    return fields


def check_create(fields: Fields, settings: SimulatorSettings) -> CreateRequest:
    """The request these fields make. Decodes the reference image: call it from a worker thread.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _CREATE_FIELDS.union(settings.extra_fields))
    size = _choice(fields, "size", settings.sizes, default="720x1280")
    return CreateRequest(
        prompt=_check_prompt(fields),
        model=_choice(fields, "model", settings.models, default="sora-2"),
        seconds=_choice(fields, "seconds", settings.seconds, default="4"),
        size=size,
        reference=_check_reference(fields.get("input_reference"), size, settings.reference_bytes_max),
        extras={name: read_extra(name, fields[name]) for name in settings.extra_fields if name in fields},
    )


def check_edit(fields: Fields, settings: SimulatorSettings) -> SourceRequest:
    """The edit these fields ask for. Decodes an uploaded video: call it from a worker thread.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _EDIT_FIELDS)
    model = _choice(fields, "model", settings.models, default="sora-2")
    return SourceRequest(_check_prompt(fields), _check_source(fields, settings), model, None)


def check_extend(fields: Fields, settings: SimulatorSettings) -> SourceRequest:
    """As `check_edit`, of an extension, which says how long its new segment is.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _EXTEND_FIELDS)
    if fields.get("seconds") is None:
        raise invalid("Missing required parameter: 'seconds'.", param="seconds", code="missing_required_parameter")
    seconds = _choice(fields, "seconds", settings.extension_seconds, default="")
    model = _choice(fields, "model", settings.models, default="sora-2")
    return SourceRequest(_check_prompt(fields), _check_source(fields, settings), model, seconds)


def check_character(fields: Fields, settings: SimulatorSettings) -> CharacterRequest:
    """The character these fields ask for. Decodes the video: call it from a worker thread.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _CHARACTER_FIELDS)
    name = fields.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_CHARS_MAX:
        raise invalid(f"'name' must have 1 to {NAME_CHARS_MAX} characters.", param="name")
    if not isinstance(fields.get("video"), bytes):
        raise invalid("'video' must be a file.", param="video")
    read_clip(fields["video"], settings)
    return CharacterRequest(name)


def _check_source(fields: Fields, settings: SimulatorSettings) -> Clip | str:
    given = fields.get("video")
    if isinstance(given, bytes):
        return read_clip(given, settings)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    source_id = given.get("id") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(source_id, str):
        raise invalid("'video' must be a file or name the 'id' of a completed video.", param="video")
    return source_id


def read_clip(content: bytes, settings: SimulatorSettings) -> Clip:
    """An uploaded video's first frame and length.

    Raises:
        Problem: 400 when it is too large, cannot be decoded, or has another size than those on offer.
    """
    if len(content) > settings.source_bytes_max:
        raise invalid(f"The video is larger than {settings.source_bytes_max} bytes.", param="video")
    try:
        with av.open(BytesIO(content), "r", format="mp4") as container:
            frame = next(container.decode(video=0))
            seconds = math.ceil(float(container.duration or 0) / av.time_base)
    except (av.FFmpegError, StopIteration, ValueError) as error:
        raise invalid("The video must be an MP4 file that can be decoded.", param="video") from error
    if f"{frame.width}x{frame.height}" not in settings.sizes:
        raise invalid(f"A video of {frame.width}x{frame.height} pixels is not supported.", param="video")
    picture = BytesIO()
    frame.to_image().save(picture, "PNG")  # type: ignore[no-untyped-call] # PyAV has no types here
    return Clip(picture.getvalue(), frame.width, frame.height, max(1, seconds))


_WHOLE = frozenset({"seed", "steps", "num_inference_steps", "fps", "num_frames", "n"})


def read_extra(name: str, given: Any) -> Any:
    """A field beyond the protocol; texts of forms have become numbers and truth values.

    Raises:
        Problem: 400 when it is of the wrong type.
    """
    if name == "generate_audio":
        truth = {"true": True, "false": False}.get(given.lower()) if isinstance(given, str) else given
        if not isinstance(truth, bool):
            raise invalid(f"'{name}' must be true or false.", param=name)
        return truth
    if name not in _WHOLE:
        return given
    try:
        return int(given)
    except (TypeError, ValueError) as error:
        raise invalid(f"'{name}' must be a whole number.", param=name) from error


def check_remix(fields: Fields) -> str:
    """The new prompt.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _REMIX_FIELDS)
    return _check_prompt(fields)


def _refuse_unknown(fields: Fields, known: frozenset[str]) -> None:
    for name in fields:
        if name not in known:
            raise invalid(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def _check_prompt(fields: Fields) -> str:
    prompt = fields.get("prompt")
    if prompt is None:
        raise invalid("Missing required parameter: 'prompt'.", param="prompt", code="missing_required_parameter")
    if not isinstance(prompt, str):
        raise invalid("Invalid type for 'prompt': expected a string.", param="prompt", code="invalid_type")
    if not 1 <= len(prompt) <= PROMPT_CHARS_MAX:
        raise invalid(f"'prompt' must have 1 to {PROMPT_CHARS_MAX} characters.", param="prompt")
    return prompt


def _choice(fields: Fields, name: str, allowed: tuple[str, ...], *, default: str) -> str:
    value = fields.get(name)
    if value is None:
        value = default if default in allowed else allowed[0]
    if not isinstance(value, str):
        raise invalid(f"Invalid type for '{name}': expected a string.", param=name, code="invalid_type")
    if value not in allowed:
        choices = ", ".join(f"'{choice}'" for choice in allowed)
        raise invalid(f"Invalid value: '{value}'. Supported values are: {choices}.", param=name)
    return value


def _check_reference(given: Any, size: str, bytes_max: int) -> bytes | None:
    if given is None:
        return None
    content = given if isinstance(given, bytes) else _from_object(given)
    if len(content) > bytes_max:
        raise _unfit(f"The reference image is larger than {bytes_max} bytes.")
    try:
        with Image.open(BytesIO(content), formats=_REFERENCE_FORMATS) as picture:
            if picture.size != parse_size(size):
                raise _unfit("Inpaint image must match the requested width and height")
            picture.load()
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise _unfit("The reference must be an image/jpeg, image/png or image/webp file.") from error
    return content


def _from_object(given: Any) -> bytes:
    """The image of ``{"image_url": "data:…"}``; nothing is fetched from elsewhere."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise _unfit("'input_reference' must be a file or an object.") from error
    url = given.get("image_url") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(url, str) or not url.startswith("data:image/"):
        raise _unfit("'input_reference' must be a file or have a data URL as its only 'image_url'.")
    try:
        return base64.b64decode(url.partition(";base64,")[2], validate=True)
    except binascii.Error as error:
        raise _unfit("'input_reference[image_url]' is not valid base64.") from error


def _unfit(message: str) -> Problem:
    return invalid(message, param="input_reference")

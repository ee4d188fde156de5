"""Reads and checks what a client asks for, as strictly as the hosted API (videos-api.md 1.1)."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from fastapi import Request, UploadFile
from PIL import Image, UnidentifiedImageError
from starlette.datastructures import UploadFile as FormFile

from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.settings import SimulatorSettings, parse_size

PROMPT_CHARS_MAX = 32_000
_REFERENCE_FORMATS = ("JPEG", "PNG", "WEBP")
_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
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
    _refuse_unknown(fields, _CREATE_FIELDS)
    size = _choice(fields, "size", settings.sizes, default="720x1280")
    return CreateRequest(
        prompt=_check_prompt(fields),
        model=_choice(fields, "model", settings.models, default="sora-2"),
        seconds=_choice(fields, "seconds", settings.seconds, default="4"),
        size=size,
        reference=_check_reference(fields.get("input_reference"), size, settings.reference_bytes_max),
    )


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

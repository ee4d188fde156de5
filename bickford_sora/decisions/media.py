"""Files that come with a request, or are named in it: the image a video begins with, the video it is made from."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from bickford_sora.decisions.wrong import VALUE_CHARS_SHOWN_MAX, invalid
from bickford_sora.errors import InvalidRequest, Unsupported

REFERENCE = "input_reference"
SOURCE = "video"
"""The fields they come in."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as uploaded."""

    content: bytes = field(repr=False)
    filename: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """The image a video begins with: the file itself, or where it is."""

    file: File | None = None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """The video that a new one is made from: one of this project's, or an uploaded file."""

    video_id: str | None = None
    file: File | None = None
    param: str = SOURCE
    """The field that named it, for errors."""


class _ImageObject(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    image_url: str | None = None
    file_id: str | None = None


class _VideoObject(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str


def only_file(files: Mapping[str, File], allowed: str | None) -> File | None:
    """The one file a request may hold, None without it. Raises InvalidRequest for any other."""
    for name in files:
        if name != allowed:
            shown = name[:VALUE_CHARS_SHOWN_MAX]
            raise InvalidRequest(f"{shown!r} is not a file.", code="unexpected_file", param=shown)
    file = files.get(allowed) if allowed else None
    if file is not None and not file.content and not file.filename:
        return None  # how a form says that no file was chosen
    return file


def given_reference(given: object, file: File | None) -> Reference | None:
    """The image that was uploaded or named. Raises Unsupported for a file id, which only OpenAI's own files have."""
    if file is not None:
        return Reference(file)
    if given is None or given == "":
        return None
    named = _media_object(_ImageObject, REFERENCE, given)
    if named.file_id is not None:
        raise Unsupported(
            "This server keeps no files to name by id. Send the image itself, or its image_url.",
            code="unsupported_parameter",
            param=f"{REFERENCE}.file_id",
        )
    if named.image_url is None:
        param = f"{REFERENCE}.image_url"
        raise InvalidRequest(f"Missing required parameter: {param!r}.", code="missing_required_parameter", param=param)
    scheme = named.image_url.partition(":")[0].lower()
    if scheme == "data":
        return Reference(File(_of_data_url(named.image_url)))
    if scheme in {"http", "https"}:
        return Reference(url=named.image_url)
    raise _bad_image_url("An image_url begins with https://, http:// or data:.")


def _of_data_url(url: str) -> bytes:
    """The bytes in a data URL (RFC 2397). Its media type is not believed: the content says what it is."""
    head, comma, content = url.partition(",")
    try:
        raw = unquote_to_bytes(content)
        if head.lower().endswith(";base64"):
            raw = base64.b64decode(raw, validate=True)
    except (binascii.Error, UnicodeEncodeError):
        comma = ""
        raw = b""
    if not comma:
        raise _bad_image_url("Not a readable data URL.")
    return raw


def _bad_image_url(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_image_url", param=f"{REFERENCE}.image_url")


def given_source(given: object, file: File | None) -> Source:
    """The source that was uploaded or named. Raises InvalidRequest without one."""
    if file is not None:
        return Source(file=file)
    if given is None or given == "":
        raise InvalidRequest(
            "Send the source as the file video, or its id as video[id].",
            code="missing_required_parameter",
            param=SOURCE,
        )
    return Source(_media_object(_VideoObject, SOURCE, given).id)


Media = TypeVar("Media", _ImageObject, _VideoObject)


def _media_object(kind: type[Media], param: str, given: object) -> Media:
    """The object that names a file: sent as JSON, in brackets, or as JSON in a form's text."""
    if isinstance(given, str):
        try:
            given = orjson.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, dict):
        raise InvalidRequest(f"{param!r} is a file or an object.", code="invalid_type", param=param)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid(error, within=param) from None

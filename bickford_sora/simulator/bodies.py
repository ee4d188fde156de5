"""Reads the body of a request, whichever of its forms a client chose (videos-api.md 1.1)."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, UploadFile
from starlette.datastructures import UploadFile as FormFile

from bickford_sora.simulator.problems import Problem, invalid

_BRACKETED = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

Fields = dict[str, Any]
"""A parsed body. An uploaded file is a `FileField`; ``a[b]=c`` has become ``{"a": {"b": "c"}}``."""


@dataclass(frozen=True)
class FileField:
    """A file of a form."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)


def is_form(request: Request) -> bool:
    """Whether the body says that it is a form."""
    return request.headers.get("content-type", "").startswith(_FORMS)


async def read_fields(request: Request) -> Fields:
    """The fields of a multipart or JSON body.

    Raises:
        Problem: 400 when the body is neither.
    """
    if is_form(request):
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
            given = await _read_file(value) if isinstance(value, UploadFile | FormFile) else value
            bracketed = _BRACKETED.fullmatch(name)
            if bracketed is None:
                fields[name] = given
            else:
                parent = fields.setdefault(bracketed[1], {})
                if not isinstance(parent, dict):
                    raise invalid(f"'{bracketed[1]}' is given twice.", param=bracketed[1])
                parent[bracketed[2]] = given
    return fields


async def _read_file(upload: UploadFile | FormFile) -> FileField:
    return FileField(upload.filename or "", upload.content_type or "", await upload.read())


def described(fields: Fields) -> dict[str, Any]:
    """The fields as they arrived, as JSON; of a file only its name, type and size."""
    return {
        name: {"filename": given.filename, "media_type": given.media_type, "bytes": len(given.content)}
        if isinstance(given, FileField)
        else given
        for name, given in fields.items()
    }

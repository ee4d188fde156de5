"""What the OpenAPI description says of bodies the routes read themselves, and of errors."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from bickford_sora.decisions.declared import ATTESTATIONS_MAX, HEADERS, TAGS_MAX
from bickford_sora.decisions.fields import BeyondProtocol


class ErrorObject(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorObject


_REFUSED, _FAILED = "The request was refused; nothing was billed.", "The server could not serve the request."
_REFERENCE = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}}}

DESCRIBED_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": _REFUSED},
    "5XX": {"model": ErrorBody, "description": _FAILED},
}
"""One router's: what brings the error's body into the description."""
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"content": _REFERENCE, "description": _REFUSED},
    "5XX": {"content": _REFERENCE, "description": _FAILED},
}
"""All others': for a model FastAPI would build a validator each, which a server's start would wait for."""

_PROMPT = {"type": "string", "description": "What to show.", "minLength": 1, "maxLength": 32_000}
_MODEL = {"type": "string", "description": "One of the models this server offers."}
_CREATE_FIELDS = {
    "prompt": _PROMPT,
    "model": _MODEL,
    "seconds": {"type": "string", "description": "Length of the video.", "example": "4"},
    "size": {"type": "string", "description": "Width and height in pixels.", "example": "720x1280"},
    "remix_video_id": {"type": "string", "description": "A video of this project to remix, as the remix route does."},
}
_IMAGE = {
    "type": "string",
    "format": "binary",
    "description": "A JPEG, PNG or WebP image of exactly the requested size.",
}
_IMAGE_URL = {"type": "string", "description": "Where that image is (https, http), or a data URL that holds it."}
_VIDEO = {"type": "string", "format": "binary", "description": "The MP4 to start from."}
_VIDEO_ID = {"type": "string", "description": "The video of this project to start from, in place of a file."}
_BEYOND = {
    name: {
        **{key: value for key, value in schema["anyOf"][0].items() if key != "title"},
        "description": "Not in the protocol; where a renderer of the model takes it.",
    }
    for name, schema in BeyondProtocol.model_json_schema()["properties"].items()
}
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"}
_DECLARED: dict[str, dict[str, Any]] = {
    "purpose": {"type": "string", "enum": ["draft", "final"], "description": "What it is for. Not in the protocol."},
    "tags": {
        "type": "array",
        "items": _NAME,
        "maxItems": TAGS_MAX,
        "description": "As a list, or in one text with commas. Not in the protocol.",
    },
    "attestations": {
        "type": "array",
        "items": _NAME,
        "maxItems": ATTESTATIONS_MAX,
        "description": "What is vouched for, by name; as a list, or in one text with commas. Not in the protocol.",
    },
}
_BEYOND |= {name: _BEYOND[own] for name, own in BeyondProtocol.OTHER_NAMES.items()}


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """An operation whose body is this JSON object."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _fields(properties: dict[str, Any], *, required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**properties, **_DECLARED, **_BEYOND},
        "required": list(required),
        "additionalProperties": False,
    }


def _object_or_text(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An object with one text, or the same as JSON in a text."""
    inner = {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
    return {"oneOf": [inner, {"type": "string", "contentMediaType": "application/json"}]}


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again with the same request it gets the first answer; with another one it is refused.",
}

_DECLARING_HEADERS = [
    {
        "name": header,
        "in": "header",
        "required": False,
        "schema": _DECLARED[name] if name == "purpose" else {"type": "string"},
        "description": f"The field {name}, for clients that can send no fields of their own; a field goes before it.",
    }
    for name, header in HEADERS.items()
]

RETRY: dict[str, Any] = {"parameters": [_IDEMPOTENCY_KEY]}


def _asking(
    fields: dict[str, Any],
    *,
    required: Sequence[str] = ("prompt",),
    file: dict[str, Any] | None = None,
    named: tuple[str, str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """An operation that makes a render, by each way its body may be sent.

    `file` are the files of a multipart form; `named` says what may take a file's place: the field, the text within
    it, and that text's schema.
    """
    bracketed, whole = {}, {}
    if named is not None:
        outer, inner, schema = named
        bracketed = {f"{outer}[{inner}]": schema}
        whole = {outer: _object_or_text(inner, schema)}
    body = {
        "multipart/form-data": {"schema": _fields({**fields, **bracketed, **(file or {})}, required=required)},
        "application/x-www-form-urlencoded": {"schema": _fields({**fields, **bracketed}, required=required)},
        "application/json": {"schema": _fields({**fields, **whole}, required=required)},
    }
    parameters = [_IDEMPOTENCY_KEY, *_DECLARING_HEADERS]
    return {"parameters": parameters, "requestBody": {"required": True, "content": body}}


_SEGMENT = {"type": "string", "description": "Length of the new segment.", "example": "8"}
CREATE = _asking(_CREATE_FIELDS, file={"input_reference": _IMAGE}, named=("input_reference", "image_url", _IMAGE_URL))
REMIX = _asking({"prompt": _PROMPT})
EDIT = _asking({"prompt": _PROMPT, "model": _MODEL}, file={"video": _VIDEO}, named=("video", "id", _VIDEO_ID))
EXTENSION = _asking(
    {"prompt": _PROMPT, "model": _MODEL, "seconds": _SEGMENT},
    required=("prompt", "seconds"),
    file={"video": _VIDEO},
    named=("video", "id", _VIDEO_ID),
)
WEBHOOK: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": said}
        for name, said in (
            ("webhook-id", "Names the event; the same at every repetition."),
            ("webhook-timestamp", "Unix seconds."),
            ("webhook-signature", "Standard Webhooks v1: HMAC-SHA256 of id, timestamp and body."),
        )
    ],
    **json_body({"type": "object", "properties": {"type": {"type": "string"}, "data": {"type": "object"}}}),
}
EVENTS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "Server-Sent Events; `id` is where to take the stream up again with `Last-Event-ID`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    }
}
BATCH: dict[str, Any] = {
    "parameters": [_IDEMPOTENCY_KEY, *_DECLARING_HEADERS],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"requests": {"type": "array", "items": {"type": "object"}}},
                    "required": ["requests"],
                    "additionalProperties": False,
                }
            },
            "application/jsonl": {"schema": {"type": "string"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    },
}

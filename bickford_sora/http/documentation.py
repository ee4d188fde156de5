"""What the OpenAPI description says of bodies the routes read themselves, and of errors."""

from typing import Any

from pydantic import BaseModel


class ErrorObject(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorObject


REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request was refused; nothing was billed."},
    "5XX": {"model": ErrorBody, "description": "The server could not serve the request."},
}

_PROMPT = {"type": "string", "description": "What to show.", "minLength": 1, "maxLength": 32_000}
_CREATE_FIELDS = {
    "prompt": _PROMPT,
    "model": {"type": "string", "description": "One of the models this server offers."},
    "seconds": {"type": "string", "description": "Length of the video.", "example": "4"},
    "size": {"type": "string", "description": "Width and height in pixels.", "example": "720x1280"},
}
_REFERENCE = {
    "type": "string",
    "format": "binary",
    "description": "A JPEG, PNG or WebP image of exactly the requested size.",
}


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """An operation whose body is this JSON object."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _fields(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": ["prompt"], "additionalProperties": False}


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again with the same request it gets the first answer; with another one it is refused.",
}

RETRY: dict[str, Any] = {"parameters": [_IDEMPOTENCY_KEY]}
CREATE: dict[str, Any] = {
    **RETRY,
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _fields({**_CREATE_FIELDS, "input_reference": _REFERENCE})},
            "application/json": {"schema": _fields(_CREATE_FIELDS)},
        },
    },
}
REMIX: dict[str, Any] = {**RETRY, **json_body(_fields({"prompt": _PROMPT}))}
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

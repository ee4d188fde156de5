"""Reading request bodies: whole, within a limit of bytes and of silence, whatever Content-Length claims."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from bickford_sora.errors import InvalidRequest, TooLarge, TooSlow
from bickford_sora.http.forms import json_object


async def read_body(request: Request, *, bytes_max: int, silence_s: float) -> bytes:
    """The whole body.

    Raises TooLarge for more than `bytes_max` bytes, declared or sent, TooSlow when nothing came for `silence_s`
    seconds, and starlette.requests.ClientDisconnect when the client is gone.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(silence_s) as patience:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > bytes_max:
                    raise _too_large(bytes_max)
                if not message.get("more_body", False):
                    return bytes(body)
                patience.reschedule(asyncio.get_running_loop().time() + silence_s)
    except TimeoutError:
        raise TooSlow(f"No byte of the body came for {silence_s:g} s. Send it again.", code="body_timeout") from None


async def read_json(request: Request, *, bytes_max: int, silence_s: float) -> dict[str, object]:
    """The JSON object in the body; an empty body is an empty one. Raises as `read_body`, and InvalidRequest."""
    body = await read_body(request, bytes_max=bytes_max, silence_s=silence_s)
    if not body:
        return {}
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise InvalidRequest("Send application/json.", code="unsupported_content_type", param="Content-Type")
    return json_object(body)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"The request body is larger than the limit of {bytes_max} bytes.", code="request_too_large")

"""OpenRouter's video API. Experimental: written against the models of @openrouter/sdk 1.3.19 and its documentation.

`base_url` ends in `/api/v1`. Never run.

- A create is JSON, answered with 202; `duration` is a number, the image a data URL in `frame_images`.
- Statuses are pending, in_progress, completed, failed, cancelled, expired; `error` is a string; `usage.cost` is in US
  dollars.
- A file is asked for at its own `/content?index=`, never at the `unsigned_urls` of other hosts.
- No list, so a submission without an answer stays unknown until somebody decides; no delete.
- Its signed callbacks are not asked for (`callback_url` is never sent): jobs are polled.
"""

import base64
from collections.abc import Mapping

from pydantic import JsonValue

from bickford_sora.renderers.dialect import Dialect, ReadUpload, Request, renamed_fields, whole_seconds
from bickford_sora.renderers.port import Capabilities, Order, Variant
from bickford_sora.renderers.transport import FilePart

CAPABILITIES = Capabilities(
    remix="none",
    edits=False,
    extensions=False,
    characters=False,
    lists=False,
    cancels=False,
    deletes=False,
    variants=frozenset({"video"}),
    keeps_idempotency_keys=False,
    calls_back=False,
    fields=frozenset({"seed", "generate_audio"}),
    recognisable=frozenset(),
)


def request(order: Order, read: ReadUpload) -> Request:
    """A create."""
    body: dict[str, JsonValue] = {
        "model": order.model,
        "prompt": order.prompt,
        "duration": whole_seconds(order),
        "size": order.size,
        **renamed_fields(order, {}),
    }
    if order.reference is not None:
        url = _data_url(read("frame_images", order.reference))
        body["frame_images"] = [{"type": "image_url", "image_url": {"url": url}, "frame_type": "first_frame"}]
    return Request("/videos", json=body)


def _data_url(part: FilePart) -> str:
    return f"data:{part.media_type};base64,{base64.b64encode(part.content).decode()}"


def content_params(_: Variant, output: int) -> Mapping[str, str]:
    """The outputs are counted from 0."""
    return {"index": str(output)}


DIALECT = Dialect(
    name="openrouter",
    experimental=True,
    capabilities=CAPABILITIES,
    request=request,
    content_params=content_params,
    absence_proves=False,
    probe_path="/videos/models",
    tells_cost=True,
)

"""FastVideo's variant of the Videos API. Experimental.

Written against fastvideo 0.2.1: `entrypoints/openai/video_api.py` and `protocol.py`, read from its package. The engine
was not run.

- A form without a seed means seed 1024, JSON without one means the operator's default: a create without a file is JSON.
- Statuses go from queued to completed or failed.
- The list comes whole when no `limit` is sent, and silently cut when one is: it does not say `has_more`. It shows no
  prompt, so no job is recognised by it.
- Deleting forgets the job and does not stop it.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect, ReadUpload, Request, no_params, renamed_fields, whole_seconds
from bickford_sora.renderers.port import Capabilities, Order

CAPABILITIES = Capabilities(
    remix="none",
    edits=False,
    extensions=False,
    characters=False,
    lists=True,
    cancels=False,
    deletes=True,
    variants=frozenset({"video"}),
    keeps_idempotency_keys=False,
    calls_back=False,
    fields=frozenset({"seed", "negative_prompt", "steps", "fps", "num_frames"}),
    recognisable=frozenset(),
)
FIELD_NAMES: Mapping[str, str] = {"steps": "num_inference_steps"}


def request(order: Order, read: ReadUpload) -> Request:
    """A create; `seconds` is a number."""
    if order.reference is not None:
        return openai.create(order, read, FIELD_NAMES)
    body: dict[str, JsonValue] = {
        "model": order.model,
        "prompt": order.prompt,
        "seconds": whole_seconds(order),
        "size": order.size,
        **renamed_fields(order, FIELD_NAMES),
    }
    return Request("/videos", json=body)


DIALECT = Dialect(
    name="fastvideo",
    experimental=True,
    capabilities=CAPABILITIES,
    request=request,
    content_params=no_params,
    list_page_size=None,
)

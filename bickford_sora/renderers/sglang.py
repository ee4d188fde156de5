"""SGLang Diffusion's variant of the Videos API.

Written against sglang 0.5.23: `multimodal_gen/runtime/entrypoints/openai/video_api.py`, `protocol.py` and `stores.py`,
read from its package. The engine itself was not run.

- `variant` of a download is the number of an output; the protocol's words for variants are answered with 404.
- A file whose name ends like a video's is taken for one, whatever its type: names are given here by the type.
- A remix is a create with the source as the file `video_reference`.
- Deleting forgets the job and does not stop it.
- The list shows no prompt, and `seconds` and `size` as the engine rounded them: no job is ever recognised by it.
- A file that the server has put into an object store is refused with 400 and its URL in the message.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect, ReadUpload, Request
from bickford_sora.renderers.port import Capabilities, Order, Upload, Variant

CAPABILITIES = Capabilities(
    remix="video_reference",
    edits=False,
    extensions=False,
    characters=False,
    lists=True,
    cancels=False,
    deletes=True,
    variants=frozenset({"video"}),
    keeps_idempotency_keys=False,
    calls_back=False,
    fields=frozenset({"seed", "negative_prompt", "steps", "fps", "num_frames", "n"}),
    recognisable=frozenset(),
)
FIELD_NAMES: Mapping[str, str] = {"steps": "num_inference_steps"}
_CLOUD_URL = re.compile(r"use the cloud URL: (https?://\S+)")


def request(order: Order, read: ReadUpload) -> Request:
    """A create, of which a remix is one that is given the source's file."""
    named = replace(order, reference=_named(order.reference, "reference"))
    if order.source is None or order.source.video is None:
        return openai.create(named, read, FIELD_NAMES)
    video = replace(order.source.video, filename="source.mp4")
    return Request("/videos", form=openai.create_form(order, FIELD_NAMES), files=(read("video_reference", video),))


def _named(upload: Upload | None, stem: str) -> Upload | None:
    if upload is None:
        return None
    return replace(upload, filename=f"{stem}.{upload.media_type.rpartition('/')[2]}")


def content_params(_: Variant, output: int) -> Mapping[str, str]:
    """The outputs are counted from 0."""
    return {"variant": str(output)}


def cloud_url(message: str | None) -> str | None:
    """Where a file was put, from the refusal to serve it."""
    found = _CLOUD_URL.search(message or "")
    return found[1] if found else None


DIALECT = Dialect(
    name="sglang",
    experimental=False,
    capabilities=CAPABILITIES,
    request=request,
    content_params=content_params,
    elsewhere=cloud_url,
)

"""TensorRT-LLM's variant of the Videos API (`trtllm-serve`). Experimental.

Written against `tensorrt_llm/serve/openai_video_routes.py` of NVIDIA/TensorRT-LLM at 0509ccc, and sending only what
the later request model, which refuses unknown fields, takes as well. Read, not run.

- A create is answered with 202; `error` of a failed job is a string; its length is `duration`.
- The list is one page of everything. Its `size` is the engine's, so no job is recognised by it.
- Deleting cancels the server's task; whether the engine stops is not known, so it is not counted as cancelling.
- Without ffmpeg on its machine the server makes AVI files, which are not kept: see to ffmpeg there.
"""

from collections.abc import Mapping

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect, ReadUpload, Request, no_params
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
    fields=frozenset({"seed", "negative_prompt", "steps", "fps"}),
    recognisable=frozenset(),
)
FIELD_NAMES: Mapping[str, str] = {"steps": "num_inference_steps"}


def request(order: Order, read: ReadUpload) -> Request:
    """A create."""
    return openai.create(order, read, FIELD_NAMES)


DIALECT = Dialect(
    name="trtllm",
    experimental=True,
    capabilities=CAPABILITIES,
    request=request,
    content_params=no_params,
    list_page_size=None,
    probe_path="/models",
)

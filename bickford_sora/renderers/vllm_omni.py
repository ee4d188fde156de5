"""vLLM-Omni's variant of the Videos API.

Written against vllm-omni 0.30.0: `entrypoints/openai/api_server.py` (routes), `protocol/videos.py` (models) and
`video/generation/helpers.py` (the form), read from its package. The engine itself was not run.

- A create is multipart only, and a plain field of a form has at most 1 MiB there (Starlette's limit). A video to start
  from therefore goes as a file under `input_references`, which the server treats as it does `video_reference`, and not
  as a data URL.
- `model` must be the served model's name.
- The answer about a failed job has an error status and the job as its body.
- 409 on a create: the server has several API workers and keeps no jobs; it certainly took nothing.
- A job has one file, also when more outputs were asked for: `n` is not offered.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from pydantic import JsonValue

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect, ReadUpload, Request, no_params
from bickford_sora.renderers.port import Capabilities, Order

CAPABILITIES = Capabilities(
    remix="video_reference",
    edits=False,
    extensions=False,
    characters=False,
    lists=True,
    cancels=True,
    deletes=True,
    variants=frozenset({"video"}),
    keeps_idempotency_keys=False,
    calls_back=False,
    fields=frozenset({"seed", "negative_prompt", "steps", "fps", "num_frames", "lora", "generate_audio"}),
    obscuring=frozenset(),  # `seconds` is shown as it was sent, whatever makes the frames
)
FIELD_NAMES: Mapping[str, str] = {"steps": "num_inference_steps", "generate_audio": "generate_sound"}


def request(order: Order, read: ReadUpload) -> Request:
    """A create, of which a remix is one that is given the source's file."""
    lora = order.fields.get("lora")
    given = order if lora is None else replace(order, fields={**order.fields, "lora": _lora(lora)})
    if order.source is None or order.source.video is None:
        return openai.create(given, read, FIELD_NAMES)
    form = openai.create_form(given, FIELD_NAMES)
    return Request("/videos", form=form, files=(read("input_references", order.source.video),))


def _lora(given: JsonValue) -> str:
    """The server reads a JSON object; a plain name stands for one."""
    try:
        is_object = isinstance(json.loads(str(given)), dict)
    except (ValueError, RecursionError):  # the latter: nested too deeply to be one
        is_object = False
    return str(given) if is_object else json.dumps({"name": given})


DIALECT = Dialect(
    name="vllm_omni",
    experimental=False,
    capabilities=CAPABILITIES,
    request=request,
    content_params=no_params,
    refusals=frozenset({HTTPStatus.CONFLICT}),
    fails_by_status=True,
)

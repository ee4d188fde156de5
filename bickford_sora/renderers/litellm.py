"""A LiteLLM proxy in front of other renderers.

Written against litellm 1.109.1: `proxy/video_endpoints/endpoints.py`, `types/videos/main.py` and
`types/videos/utils.py`, read from its package; the proxy itself was run between this dialect and the simulator.

- It keeps no jobs: an id is the base64 of who made the job, and under what id there. A question may be answered with
  another id of the same job.
- No list without naming whose, no delete (405), and a download is always the video.
- Fields beyond the protocol pass through it unread: which ones the renderer behind it takes is configured.
- The proxy repeats a create by itself unless its `num_retries` is 0; set it so.
- 1.109.1 or newer: 1.106.2, when the connection behind it broke after a create, sent it again without its body and
  passed the refusal of that on, so that a job that was taken looked refused. It also lost the model from its ids.
"""

import base64
import binascii
from dataclasses import replace

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect, no_params

CAPABILITIES = replace(
    openai.CAPABILITIES,
    edits=False,
    extensions=False,
    characters=False,
    lists=False,
    cancels=False,
    deletes=False,
    variants=frozenset({"video"}),
    calls_back=False,
)
_PREFIX = "video_"
_MARK = "litellm:"


def same_job(asked: str, answered: str) -> bool:
    """Whether two of its ids name one job of the renderer behind it."""
    return asked == answered or (_behind(asked) is not None and _behind(asked) == _behind(answered))


def _behind(job_id: str) -> str | None:
    """The id that the renderer behind it gave the job."""
    try:
        packed = base64.b64decode(job_id.removeprefix(_PREFIX), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    if not packed.startswith(_MARK):
        return None
    parts = dict(part.partition(":")[::2] for part in packed.removeprefix(_MARK).split(";"))
    return parts.get("video_id") or None


DIALECT = Dialect(
    name="litellm",
    experimental=False,
    capabilities=CAPABILITIES,
    request=openai.request,
    content_params=no_params,
    extra_fields=openai.FIELDS - {"n"},  # it drops what says which output is asked for
    absence_proves=False,
    probe_path="/models",
    same_job=same_job,
)

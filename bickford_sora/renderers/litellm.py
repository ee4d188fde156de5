"""A LiteLLM proxy in front of other renderers.

Written against litellm 1.109.1: `proxy/video_endpoints/endpoints.py`, `types/videos/main.py` and
`types/videos/utils.py`, read from its package; the proxy itself was run between this dialect and the simulator.

- It keeps no jobs: an id is the base64 of who made the job, and under what id there. A question may be answered with
  another id of the same job.
- No list without naming whose, no delete (405), and a download is always the video.
- Fields beyond the protocol pass through it unread: which ones the renderer behind it takes is configured.
- The proxy repeats a create by itself unless its `num_retries` is 0; set it so.
- 1.109.1 or newer: 1.106.2, when the connection behind it broke after a create, sent it again without its body and
  passed the refusal of that on, so that a job that was taken looked refused. It also leaves the model out of the ids
  of remixes, and then does not know them; we put it back.
"""

import base64
import binascii
from dataclasses import replace

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect, no_params
from bickford_sora.renderers.port import Order

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


def completed_id(order: Order, job_id: str) -> str:
    """The id with the model of its source where the proxy left it out: without it, it does not know whom to ask."""
    source = order.source.job_id if order.source else None
    parts, known = _parts(job_id), _parts(source or "")
    if parts.get("model_id") != "" or not known.get("model_id"):
        return job_id
    packed = ";".join(f"{name}:{value}" for name, value in {**parts, "model_id": known["model_id"]}.items())
    return _PREFIX + base64.b64encode(f"{_MARK}{packed}".encode()).decode()


def _behind(job_id: str) -> str | None:
    """The id that the renderer behind it gave the job."""
    return _parts(job_id).get("video_id") or None


def _parts(job_id: str) -> dict[str, str]:
    """What is packed into one of its ids, in its order; nothing for an id of another kind."""
    try:
        packed = base64.b64decode(job_id.removeprefix(_PREFIX), validate=True).decode()
    except (binascii.Error, ValueError):
        return {}
    if not packed.startswith(_MARK):
        return {}
    return dict(part.partition(":")[::2] for part in packed.removeprefix(_MARK).split(";"))


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
    completed_id=completed_id,
)

"""What dialects send and read, held to the request and response models of the servers they were written against.

peer_models.json has the field names of those versions, taken from their packages on 2026-11-21:

- vllm-omni 0.30.0: the form of `video.generation.helpers._parse_video_form`, and `protocol.videos.VideoResponse`;
- sglang 0.5.23 (`multimodal_gen.runtime.entrypoints.openai`): the form of `video_api.create_video`, and
  `protocol.VideoResponse`;
- fastvideo 0.2.1 (`entrypoints.openai`): the form of `video_api.create_video`, `protocol.VideoGenerationsRequest`, and
  `protocol.VideoResponse`;
- litellm 1.109.1: `types.videos.main.VideoObject`;
- TensorRT-LLM at 0509ccc: what `openai_video_routes._parse_video_generation_request` takes from a form, and the
  `VideoJob` that it fills;
- @openrouter/sdk 1.3.19: the outbound names of `VideoGenerationRequest`, but for that of routing, and the
  inbound ones of `VideoGenerationResponse`.

The packages are too large to be installed for a test. A server that ignores what it does not know renders something
else, and bills it, without a word: hence the names are pinned here.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bickford_sora.renderers.dialect import Request
from bickford_sora.renderers.dialects import DIALECTS
from bickford_sora.renderers.port import Operation, Order, Source, Upload
from bickford_sora.renderers.transport import FilePart
from bickford_sora.renderers.wire import read_job
from tests.renderers.conftest import ORDER

PEERS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "peer_models.json").read_bytes())
ANSWERING = sorted(name for name, peer in PEERS.items() if "answer" in peer)
ASKED = sorted(name for name, peer in PEERS.items() if {"form", "json"} & peer.keys())
VALUES: dict[str, object] = {
    "id": "job-1",
    "status": "completed",
    "model": "wan",
    "prompt": "a boat",
    "seconds": "4",
    "duration": 4.0,
    "size": "832x480",
    "created_at": 1_763_640_000,
    "num_outputs": 2,
    "num_frames": 96,
    "duration_s": 4.0,
    "inference_time_s": 3.5,
    "usage": {"cost": 0.5},
}
GIVEN: dict[str, object] = {
    "seed": 7,
    "negative_prompt": "rain",
    "steps": 8,
    "fps": 24,
    "num_frames": 96,
    "n": 2,
    "lora": "noir",
    "style": "noir",
    "generate_audio": True,
}


def names(dialect: str, of: str) -> set[str]:
    """The names that the server's models have for a form, a JSON body or an answer."""
    return set(PEERS[dialect][of].split())


def read(name: str, upload: Upload) -> FilePart:
    return FilePart(name, upload.filename, upload.media_type, b"bytes")


def requests_of(dialect: str) -> list[Request]:
    """Every kind of request this dialect can send, with all that it can hold."""
    speaks = DIALECTS[dialect]
    fields = {name: value for name, value in GIVEN.items() if name in speaks.capabilities.fields}
    whole = replace(ORDER, fields=fields)
    png, mp4 = Upload("a.png", "image/png", lambda: b""), Upload("a.mp4", "video/mp4", lambda: b"")
    orders: list[Order] = [whole, replace(whole, reference=png)]
    operation: Operation = "remix"
    if speaks.capabilities.remix == "video_reference":
        orders.append(replace(whole, operation=operation, source=Source(None, mp4)))
    return [speaks.request(order, read) for order in orders]


@pytest.mark.parametrize("dialect", ASKED)
def test_nothing_is_sent_that_the_server_would_silently_ignore(dialect: str) -> None:
    for request in requests_of(dialect):
        if request.json is not None:
            assert set(request.json) <= names(dialect, "json")
        else:
            sent = {*(request.form or {}), *(file.name for file in request.files)}
            assert sent <= names(dialect, "form")


@pytest.mark.parametrize("dialect", ANSWERING)
def test_what_the_server_answers_is_read(dialect: str) -> None:
    fields = names(dialect, "answer")
    news = read_job(json.dumps({name: VALUES.get(name) for name in fields}).encode())
    assert (news.job_id, news.status, news.error_code) == ("job-1", "completed", None)
    assert news.seconds == ("4" if fields & {"seconds", "duration"} else None)
    assert news.size == ("832x480" if "size" in fields else None)
    assert news.prompt == ("a boat" if "prompt" in fields else None)
    assert news.outputs == (2 if "num_outputs" in fields else None)
    assert news.frames == (96 if "num_frames" in fields else None)
    assert news.duration_s == (4.0 if "duration_s" in fields else None)
    assert news.inference_s == (3.5 if "inference_time_s" in fields else None)
    assert news.cost_micro == (500_000 if "usage" in fields else None)


@pytest.mark.parametrize("dialect", ANSWERING)
def test_no_job_is_to_be_recognised_by_what_the_server_does_not_show(dialect: str) -> None:
    answered = names(dialect, "answer")
    shown = {"model", "prompt", "size"} <= answered and bool({"seconds", "duration"} & answered)
    assert shown or not DIALECTS[dialect].capabilities.recognises("create", ())

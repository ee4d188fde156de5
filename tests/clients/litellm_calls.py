"""Run by LiteLLM's own interpreter: what came of its video functions, as one JSON object."""

import base64
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import litellm  # type: ignore[import-not-found] # of its own environment

PLACE = {"api_base": os.environ["BASE_URL"], "api_key": os.environ["API_KEY"]}
PICTURE = Path(os.environ["PICTURE"])
SMALL = {"seconds": "4", "size": "720x1280"}
told: dict[str, Any] = {}


def tell(name: str, call: Callable[[], Any]) -> Any:
    """Notes what a call gave, or the error it raised."""
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001 - it is what is told
        told[name] = {"raised": type(error).__name__, "message": str(error)}
        return None
    told[name] = answer if isinstance(answer, dict | list) else answer.model_dump()
    return answer


def create(**given: Any) -> Any:
    """A video; two with one prompt are told apart by nothing else."""
    return litellm.video_generation(**{"model": "openai/sora-2", **SMALL, **PLACE, **given})


def content(variant: str | None = None) -> dict[str, Any]:
    """How a file begins and how long it is."""
    file = litellm.video_content(video_id=video.id, variant=variant, **PLACE)
    return {"begins": file[:16].decode("latin-1"), "bytes": len(file)}


def once() -> list[str]:
    """The ids of two creates with one key, without LiteLLM's own dress."""
    keyed = {"extra_headers": {"Idempotency-Key": "litellm-1"}}
    return [create(prompt="Once", **keyed).id for _ in range(2)]


video = tell("create", lambda: create(prompt="A red kite"))
while tell("status", lambda: litellm.video_status(video_id=video.id, **PLACE)).status in {"queued", "in_progress"}:
    time.sleep(0.1)
for variant in ("thumbnail", "spritesheet"):
    tell(variant, lambda variant=variant: content(variant))
tell("content", content)
tell("remix", lambda: litellm.video_remix(video_id=video.id, prompt="At night", **PLACE))
tell("list", lambda: litellm.video_list(custom_llm_provider="openai", **PLACE))
tell("refused", lambda: create(prompt="A kite", seconds="5"))
tell("with a file", lambda: create(prompt="She turns", input_reference=PICTURE.open("rb")))
url = f"data:image/png;base64,{base64.b64encode(PICTURE.read_bytes()).decode()}"
# An object in the place of a file is read as a file: "'dict' object has no attribute 'read'".
tell("with a URL", lambda: create(prompt="She nods", extra_body={"input_reference[image_url]": url}))
tell("edit", lambda: litellm.video_edit(video_id=video.id, prompt="In winter", **PLACE))
tell("extend", lambda: litellm.video_extension(video_id=video.id, prompt="It flies on", seconds="4", **PLACE))
film = litellm.video_content(video_id=video.id, **PLACE)
character = tell(
    "create character",
    lambda: litellm.video_create_character(name="Ada", video=io.BytesIO(film), **PLACE),
)
tell("get character", lambda: litellm.video_get_character(character_id=character.id, **PLACE))
tell("same key", once)
told["calls"] = sorted(name for name in dir(litellm) if name.startswith("video_") and callable(getattr(litellm, name)))
print("\n" + json.dumps(told, default=str))  # noqa: T201 - its answer

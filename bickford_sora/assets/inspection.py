"""What the child process does that touches untrusted media; `inspection_host` forks one for each file.

The file is its standard input; no path, environment or other descriptor reaches it. The answer on standard output is
the line `ready` (the limits hold, no byte was read yet), then one line of JSON, then the bytes of a derived picture if
one was asked for. What kills the process after `ready` is the file.

Imports neither pydantic nor the rest of the project: what untrusted bytes can reach is kept small.
"""

import importlib
import json
from collections.abc import Callable
from typing import Any, BinaryIO

from bickford_sora.assets.errors import MediaFault, MediaInvalid
from bickford_sora.assets.limits import MediaLimits, confine_this_process

_Work = Callable[[BinaryIO, MediaLimits], dict[str, Any] | bytes]

_TASKS = {
    "image": ("image_decoding", "decode_image"),
    "video": ("video_decoding", "decode_video"),
    "thumbnail": ("derive", "make_thumbnail"),
    "spritesheet": ("derive", "make_spritesheet"),
}


def prepare() -> None:
    """Import every decoder, so that no child has to."""
    for task in _TASKS:
        _work(task)


def inspect(task: str, limits: MediaLimits, file: BinaryIO, output: BinaryIO) -> None:
    """Do a task with a file, under the limits from here on, and write the answer."""
    work = _work(task)
    confine_this_process(limits)
    output.write(b"ready\n")
    output.flush()
    header, picture = _answer(work, file, limits)
    output.write(json.dumps(header).encode() + b"\n" + picture)
    output.flush()


def _work(task: str) -> _Work:
    """The task's function, its decoder imported."""
    module, function = _TASKS[task]
    work: _Work = getattr(importlib.import_module(f"bickford_sora.assets.{module}"), function)
    return work


def _answer(work: _Work, file: BinaryIO, limits: MediaLimits) -> tuple[dict[str, Any], bytes]:
    try:
        result = work(file, limits)
    except MediaInvalid as verdict:
        return {"refused": {"fault": verdict.code, "reason": verdict.reason}}, b""
    except MemoryError:
        reason = "decoding needs more memory than is allowed"
        return {"refused": {"fault": MediaFault.MEMORY_EXCEEDED, "reason": reason}}, b""
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must learn that it is no verdict
        return {"broken": type(error).__name__}, b""
    return ({"facts": {}}, result) if isinstance(result, bytes) else ({"facts": result}, b"")

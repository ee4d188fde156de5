"""The child process that touches untrusted media: `python -m bickford_sora.assets.inspection TASK LIMITS < FILE`.

The file comes as standard input; no path, environment or other descriptor reaches this process. The answer on
standard output is the line `ready` (everything is imported, the limits hold, no byte was read yet), then one line of
JSON, then the bytes of a derived picture if one was asked for. What kills the process after `ready` is the file.

Imports neither pydantic nor the rest of the project: the start is on the path of a request.
"""

import importlib
import json
import sys
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


def main() -> None:
    """Do the task named in argv and answer on standard output."""
    work = _work(sys.argv[1])
    limits = MediaLimits(**json.loads(sys.argv[2]))
    confine_this_process(limits)
    _write(b"ready\n")
    header, picture = _answer(work, limits)
    _write(json.dumps(header).encode() + b"\n" + picture)


def _work(task: str) -> _Work:
    """The task's function. Each task imports only its own decoder: a picture need not wait for the video library."""
    module, function = _TASKS[task]
    work: _Work = getattr(importlib.import_module(f"bickford_sora.assets.{module}"), function)
    return work


def _answer(work: _Work, limits: MediaLimits) -> tuple[dict[str, Any], bytes]:
    with sys.stdin.buffer as file:
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


def _write(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

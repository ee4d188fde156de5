"""Runs Python samples one after the other and prints a JSON object: the error that ended each, or null.

`python -m tests.clients.seeds.run_samples FILE…`. Names in capitals that a sample uses are environment variables.
"""

import io
import json
import os
import sys
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import bickford_sora


def wait_for_end(video_id: str) -> None:
    """Until the video is there, or never will be."""
    while bickford_sora.retrieve_sora_video_job(video_id).status in {"queued", "in_progress"}:
        time.sleep(0.1)


def run(path: Path) -> str | None:
    """The error that ended a sample, None when it came to its end."""
    names = {name: value for name, value in os.environ.items() if name.isupper()}
    try:
        with redirect_stdout(io.StringIO()):
            exec(compile(path.read_text(), path, "exec"), {**names, "wait_for_end": wait_for_end})  # noqa: S102 - ours
    except Exception as error:  # noqa: BLE001 - it is what is told
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    print(json.dumps({Path(each).stem: run(Path(each)) for each in sys.argv[1:]}))  # noqa: T201 - its answer

"""Whether a server's memory stays as it is: `python -m tests.benchmarks.soak --minutes 10`.

A whole server over a stub renderer is sent creates without a pause. Its resident memory, with that of its own
processes, is read twenty times and told by the minute; what counts is how far the median of the last fifth lies above
that of the second.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bickford_sora.cli.bench import _server
from tests.benchmarks.database import temporary_database
from tests.benchmarks.load import measure
from tests.benchmarks.servers import our_server, resident_bytes, stub_renderer

FIFTHS = 5
LOOKS_EACH = 4
GROWTH_MAX = 0.10
"""How much memory may grow between the two, as a share: caches fill, and the allocator gives back late."""
IN_FLIGHT = 4


def run(url: str, *, seconds: float, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Sends creates for so long; MiB at the beginning and the end, ready for JSON. `url` is the database server."""
    mib: list[float] = []
    by_minute: dict[str, float] = {}
    answered = 0.0
    look_s = seconds / (FIFTHS * LOOKS_EACH)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bickford-soak-")))
        folder.chmod(0o711)
        stub = stack.enter_context(stub_renderer(folder))
        database = stack.enter_context(temporary_database(url))
        server = stack.enter_context(our_server(folder, stub, database))
        begun_at = time.monotonic()
        while (passed_s := time.monotonic() - begun_at) < seconds:
            measured = measure(server.port, server.path, server.key, in_flight=IN_FLIGHT, seconds=look_s)
            answered += measured.rate * look_s
            with suppress(FileNotFoundError):  # a thread ended under the look
                mib.append(resident_bytes(server.process.pid) / 2**20)
                by_minute[f"{int((passed_s + look_s / 2) // 60) + 1}"] = round(mib[-1])
            on_progress(f"{passed_s + look_s:.0f} s: {answered:,.0f} creates, {mib[-1] if mib else 0:.0f} MiB")
    part = max(1, len(mib) // FIFTHS)
    early, late = statistics.median(mib[part : 2 * part] or mib), statistics.median(mib[-part:])
    return {
        "seconds": seconds,
        "creates": round(answered),
        "mib_by_minute": by_minute,
        "early_mib": round(early),
        "late_mib": round(late),
        "growth": round(late / early - 1, 3),
        "is_flat": late <= early * (1 + GROWTH_MAX),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - its progress


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes = parser.parse_args().minutes
    with _server() as server_url:
        told = run(server_url, seconds=minutes * 60, on_progress=_say)
    print(json.dumps(told))  # noqa: T201 - its answer
    sys.exit(0 if told["is_flat"] else 1)

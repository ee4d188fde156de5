"""Durable accepts at an offered load: so many `POST /v1/videos` a second, whether earlier ones were answered or not.

The gateway is a whole server with its workers over a stub renderer; it answers when intent and decision are on disk.
Beside it, at the same load: a FastAPI route with one INSERT. Latency counts from when a request was due. What is held
to the promise is the 99th percentile: Temporal Cloud publishes 78 ms for starting a workflow.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.database import recycle_wal, temporary_database
from tests.benchmarks.figures import ratio
from tests.benchmarks.load import Measured, create_request
from tests.benchmarks.offered import offer
from tests.benchmarks.servers import Server, bare_server, our_server, processors_s, standing_still, stub_renderer

CONNECTIONS = 64
WARM_UP_S = 2.0
PROMISED_P99_MS = 78.0


def run(url: str, *, rate: float, seconds: float, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Offers `rate` requests a second for `seconds` to each; milliseconds by name, ready for JSON."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bickford-bench-accept-")))
        folder.chmod(0o711)
        stub = stack.enter_context(stub_renderer(folder))
        recycle_wal(url)
        database = stack.enter_context(temporary_database(url))
        bare = stack.enter_context(bare_server(folder, database))
        ours = stack.enter_context(our_server(folder, stub, database))
        with standing_still([ours]):
            beside = _offered(bare, rate, seconds)
            on_progress(f"bare: {beside.rate:,.0f}/s, p99 {beside.percentile_ms(99):.1f} ms")
        _offered(ours, rate, WARM_UP_S)
        before = processors_s(ours, database)
        measured = _offered(ours, rate, seconds)
        after = processors_s(ours, database)
        on_progress(f"ours: {measured.rate:,.0f}/s, p99 {measured.percentile_ms(99):.1f} ms")
    answered = max(len(measured.latencies_ms), 1)
    took_s = {name: after[name] - before[name] for name in after} | {"load": measured.processor_s}
    spent = {f"cpu_ms_{name}": round(1000 * spent_s / answered, 2) for name, spent_s in took_s.items()}
    p99 = {"ours": measured.percentile_ms(99), "bare": beside.percentile_ms(99)}
    return {
        "unit": "ms",
        "rate": rate,
        "seconds": seconds,
        **_told("ours", measured),
        **_told("bare", beside),
        **spent,
        "ratio_bare_p99": ratio(p99["ours"], max(p99["bare"], 0.01)),
        "is_kept": p99["ours"] < PROMISED_P99_MS and measured.failed == 0,
    }


def _offered(server: Server, rate: float, seconds: float) -> Measured:
    count = max(1, int(rate * seconds))
    requests = [create_request(server.path, server.key, number).decode() for number in range(count)]
    return offer(server.port, requests, rate=rate, seconds=seconds, connections=CONNECTIONS)


def _told(name: str, measured: Measured) -> dict[str, float]:
    return {
        f"{name}_rate": round(measured.rate, 1),
        f"{name}_p50_ms": round(measured.percentile_ms(50), 1),
        f"{name}_p99_ms": round(measured.percentile_ms(99), 1),
        f"{name}_failed": measured.failed,
    }

"""So many creates in flight over kept connections, from a process of its own, with as little work as can be.

`python -m tests.benchmarks.load PORT PATH KEY IN_FLIGHT SECONDS` prints the latencies in milliseconds as JSON.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from dataclasses import dataclass

BOUNDARY = b"bickford-benchmark"
PROMPT = "A heron lifts off a misty river at dawn, wide shot, soft light, take"
_OK = b"HTTP/1.1 200"


@dataclass(frozen=True)
class Measured:
    """One round."""

    rate: float
    """Answers of success a second."""
    latencies_ms: list[float]
    failed: int
    processor_s: float = 0.0
    """Processor time of the load itself, in seconds; 0 where it was not measured."""

    def percentile_ms(self, percent: float) -> float:
        """The latency that so many percent of the requests did not exceed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def measure(port: int, path: str, key: str, *, in_flight: int, seconds: float) -> Measured:
    """Loads a server on this machine for so many seconds."""
    arguments = [str(port), path, key, str(in_flight), str(seconds)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load", *arguments], check=True, capture_output=True, timeout=600
    )
    told = json.loads(ran.stdout)
    return Measured(len(told["latencies_ms"]) / told["seconds"], told["latencies_ms"], told["failed"])


def create_request(path: str, key: str, number: int) -> bytes:
    """A whole create, with a prompt of its own."""
    fields = {"model": "sora-2", "prompt": f"{PROMPT} {number}", "seconds": "4", "size": "720x1280"}
    parts = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (BOUNDARY, name.encode(), value.encode())
        for name, value in fields.items()
    )
    body = parts + b"--%s--\r\n" % BOUNDARY
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _client(
    port: int, path: str, key: str, numbers: "itertools.count[int]", until: float
) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies: list[float] = []
    failed = 0
    while time.monotonic() < until:
        begun = time.monotonic()
        writer.write(create_request(path, key, next(numbers)))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_content_length(head))
        if head.startswith(_OK):
            latencies.append((time.monotonic() - begun) * 1000)
        else:
            failed += 1
    writer.close()
    return latencies, failed


def _content_length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))


async def _load(port: int, path: str, key: str, in_flight: int, seconds: float) -> dict[str, object]:
    numbers = itertools.count()
    begun = time.monotonic()
    clients = [_client(port, path, key, numbers, begun + seconds) for _ in range(in_flight)]
    done = await asyncio.gather(*clients)
    return {
        "seconds": time.monotonic() - begun,
        "latencies_ms": [latency for latencies, _ in done for latency in latencies],
        "failed": sum(failed for _, failed in done),
    }


if __name__ == "__main__":
    _port, _path, _key, _in_flight, _seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(_load(int(_port), _path, _key, int(_in_flight), float(_seconds)))))  # noqa: T201

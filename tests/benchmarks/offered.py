"""An offered load: requests begin when they are due, whether earlier ones were answered or not (an open loop).

    python -m tests.benchmarks.offered PORT RATE SECONDS CONNECTIONS < requests

`requests` is a JSON array of texts, each a whole HTTP/1.1 request, sent in turn. A rate of 0 sends as fast as the
connections answer. Prints the latencies in milliseconds, each from when its request was due, and the processor time
it took itself meanwhile, as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from typing import cast

import uvloop

from tests.benchmarks.load import Measured

TICK_S = 0.01
SEND_PACE_S = 0.002
"""Shortest sleep before the next request that is due: those due meanwhile are sent together, each that much late, which
counts as its latency. The load shares the machine with what it loads, and waking up costs more than sending."""
LATE_S_MAX = 30.0
"""Longest wait for the last answers, in seconds."""


def offer(port: int, requests: Sequence[str], *, rate: float, seconds: float, connections: int) -> Measured:
    """Loads a server on this machine from a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.offered", str(port), str(rate), str(seconds), str(connections)],
        input=json.dumps(requests).encode(),
        check=True,
        stdout=subprocess.PIPE,  # what went wrong is seen
        timeout=seconds + 120,
    )
    told = json.loads(ran.stdout)
    latencies_ms = told["latencies_ms"]
    return Measured(len(latencies_ms) / told["seconds"], latencies_ms, told["failed"], told["processor_s"])


class _Load:
    """What is due and was not sent, who is free to send it, and what came of it."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._due: deque[float] = deque()
        self._free: deque[_Connection] = deque()
        self.latencies_ms: list[float] = []
        self.failed = 0
        self.under_way = 0
        self.until = 0.0
        """Up to then a connection that is free sends again at once."""

    @property
    def unanswered(self) -> int:
        """How many were due and have no answer yet."""
        return len(self._due) + self.under_way

    def add(self, due_at: float) -> None:
        """One more request, due at this moment of the monotonic clock."""
        if self._free:
            self._send(self._free.popleft(), due_at)
        else:
            self._due.append(due_at)

    def free(self, connection: "_Connection") -> None:
        """A connection that waits for nothing."""
        if self._due:
            self._send(connection, self._due.popleft())
        elif (now := time.monotonic()) < self.until:
            self._send(connection, now)
        else:
            self._free.append(connection)

    def lost(self, connection: "_Connection") -> None:
        """A connection that the server closed while it was free: servers keep idle ones for some seconds only."""
        with suppress(ValueError):
            self._free.remove(connection)

    def _send(self, connection: "_Connection", due_at: float) -> None:
        self.under_way += 1
        connection.send(next(self._requests), due_at)


class _Connection(asyncio.Protocol):
    """One request at a time. It reads no more of an answer than its status and where it ends."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._due_at = 0.0
        self._answer = b""
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._load.free(self)

    def send(self, request: bytes, due_at: float) -> None:
        self._due_at, self._answer, self._waits = due_at, b"", True
        self._transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it failed, whatever it was
        if self._waits:
            self._load.under_way -= 1
            self._load.failed += 1
        else:
            self._load.lost(self)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        load, self._waits = self._load, False
        load.under_way -= 1
        if head.startswith(b"HTTP/1.1 20"):
            load.latencies_ms.append((time.monotonic() - self._due_at) * 1000)
        else:
            load.failed += 1
        load.free(self)


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


async def _run(port: int, rate: float, seconds: float, connections: int, requests: list[str]) -> dict[str, object]:
    load = _Load(cycle(request.encode() for request in requests))
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
    begun, began_s = time.monotonic(), time.process_time()
    if rate:
        await _open_loop(load, rate, seconds, begun)
    else:
        await _closed_loop(load, seconds, begun, connections)
    took = time.monotonic() - begun
    while load.unanswered and time.monotonic() < begun + seconds + LATE_S_MAX:  # noqa: ASYNC110 - looked at once or twice
        await asyncio.sleep(TICK_S)
    failed, processor_s = load.failed + load.unanswered, time.process_time() - began_s
    return {"seconds": took, "latencies_ms": load.latencies_ms, "failed": failed, "processor_s": processor_s}


async def _open_loop(load: _Load, rate: float, seconds: float, begun: float) -> None:
    for number in range(int(rate * seconds)):
        due_at = begun + number / rate
        pause_s = due_at - time.monotonic()
        if pause_s > 0:
            await asyncio.sleep(max(pause_s, SEND_PACE_S))
        load.add(due_at)


async def _closed_loop(load: _Load, seconds: float, begun: float, connections: int) -> None:
    load.until = begun + seconds
    for _ in range(connections):
        load.add(time.monotonic())
    await asyncio.sleep(seconds)


if __name__ == "__main__":
    _port, _rate, _seconds, _connections = sys.argv[1:]
    _requests = json.load(sys.stdin)
    print(json.dumps(uvloop.run(_run(int(_port), float(_rate), float(_seconds), int(_connections), _requests))))  # noqa: T201

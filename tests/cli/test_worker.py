"""Simulator, server and worker as three processes, as they run on three machines."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.clusters import copy_cluster

from .commands import (
    SMALL_AND_QUICK,
    START_TIMEOUT_S,
    Process,
    environment,
    first_line,
    reachable_folder,
    run,
    running,
    stop,
)

pytestmark = pytest.mark.slow

ANSWER_S = 1.5
"""How long the renderer takes to answer, in seconds: longer than it takes to stop a worker that has nothing to do."""


@contextmanager
def started(data_dir: Path, *arguments: str, **given: str) -> Iterator[Process]:
    """A command on this data folder."""
    known = environment(data_dir, {**SMALL_AND_QUICK, **given})
    with running(known, data_dir.parent / f"{arguments[0]}.log", *arguments) as process:
        yield process


def test_a_worker_of_its_own_renders_for_a_server_without_workers_and_stops_only_with_the_answer_it_waits_for() -> None:
    with reachable_folder() as folder, ExitStack() as stack:
        data_dir = folder / "data"
        copy_cluster(data_dir)
        offer = ("--size", "160x96", "--seconds", "1", "--render-time", "0.2")
        simulator = stack.enter_context(started(data_dir, "simulator", "--port", "0", *offer))
        url = first_line(simulator).split()[4]
        renderer = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-simulator"}
        polling = {"BICKFORD_POLL_INTERVAL_S": "0.2"}  # it is told of no webhook
        offered = {"BICKFORD_SECONDS": "1", "BICKFORD_SIZES": "160x96"}
        server = stack.enter_context(started(data_dir, "serve", "--no-workers", "--port", "0", **renderer, **offered))
        assert first_line(server).startswith("Serving the Videos API at ")
        waiting = run(data_dir, "render", "A kite", "--idempotency-key", "k-1").stdout
        assert "queued" in waiting
        worker = stack.enter_context(started(data_dir, "worker", **renderer, **polling))
        assert first_line(worker) == "Working with the renderer openai\n"
        done = run(data_dir, "render", "A kite", "--idempotency-key", "k-1", "--wait").stdout
        assert "completed" in done

        control = url.removesuffix("/v1") + "/simulator"
        slow = {"kind": "latency_after_accept", "operation": "create", "delay_s": ANSWER_S}
        httpx.post(f"{control}/faults", json=slow).raise_for_status()
        late = json.loads(run(data_dir, "render", "A late kite", "--json").stdout)["id"]
        wait_until(lambda: httpx.get(f"{control}/billing").json()["billed"] == 2)
        worker.send_signal(signal.SIGHUP)
        assert (worker.wait(START_TIMEOUT_S), stop(server)) == (0, 0)
        told = run(data_dir, "history", late).stdout
    assert "render.queued" in told, "its answer came while the worker stopped, and was not cut off"
    assert "render.submission_unknown" not in told


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits, for as long as a start may take."""
    ends_at = time.monotonic() + START_TIMEOUT_S
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)

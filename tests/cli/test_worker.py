"""Simulator, server and worker as three processes, as they run on three machines."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.clusters import copy_cluster

from .commands import SMALL_AND_QUICK, Process, environment, first_line, reachable_folder, run, running, stop

pytestmark = pytest.mark.slow


@contextmanager
def started(data_dir: Path, *arguments: str, **given: str) -> Iterator[Process]:
    """A command on this data folder."""
    known = environment(data_dir, {**SMALL_AND_QUICK, **given})
    with running(known, data_dir.parent / f"{arguments[0]}.log", *arguments) as process:
        yield process


def test_a_worker_of_its_own_renders_for_a_server_without_workers() -> None:
    with reachable_folder() as folder, ExitStack() as stack:
        data_dir = folder / "data"
        copy_cluster(data_dir)
        offer = ("--size", "160x96", "--seconds", "1", "--render-time", "0.2")
        simulator = stack.enter_context(started(data_dir, "simulator", "--port", "0", *offer))
        renderer = {"OPENAI_BASE_URL": first_line(simulator).split()[4], "OPENAI_API_KEY": "sk-simulator"}
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
        assert (stop(worker), stop(server)) == (0, 0)

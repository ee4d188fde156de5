"""Two real renderers behind one gateway, of which one hangs: the other one's videos are made meanwhile."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import Gateway
from bickford_sora.decisions.request import create_request
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer
from bickford_sora.simulator.faults import Fault, FaultKind
from ledger.render import Phase
from tests.inspecting import compose
from tests.workers.conftest import CALLER, ORIGIN, SIMULATED, SIZE, WAIT_S, wait_until

MODELS = {"hanging": "sora-2", "healthy": "sora-2-pro"}
WORKERS = 3
HANGING = 12
HEALTHY = 4
POLLS_MAX = 60
"""Of a job that takes 0.2 s, asked about every 0.1 s or less often, on a machine that may be busy."""


@pytest.fixture
def renderers() -> Iterator[dict[str, SimulatorServer]]:
    with SimulatorServer(SIMULATED) as healthy, SimulatorServer(SIMULATED) as hanging:
        yield {"hanging": hanging, "healthy": healthy}


@pytest.fixture
def gateway(
    renderers: dict[str, SimulatorServer], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Gateway]:
    monkeypatch.setenv("RENDERER_KEY", "sk-simulator")
    file = tmp_path / "renderers.yaml"
    file.write_text(yaml.safe_dump({"renderers": [_entry(name, server.url) for name, server in renderers.items()]}))
    settings = Settings(
        data_dir=tmp_path,
        database_url=SecretStr(database_url),
        renderers_file=file,
        workers=WORKERS,
        poll_interval_s=0.1,
        submit_timeout_s=60.0,
    )
    with ExitStack() as stack:
        books = stack.enter_context(open_books(settings))
        gateway = compose(books, settings.renderers(), stack)
        stack.enter_context(Background(books, gateway, gateway.configuring))
        yield gateway
        renderers["hanging"].stop()  # its calls end, so that the workers do


def _entry(name: str, url: str) -> dict[str, object]:
    return {
        "name": name,
        "dialect": "openai",
        "credential": {"name": f"{name}-key", "env": "RENDERER_KEY"},
        "replicas": [url],
        "models": [{"name": MODELS[name], "sizes": [SIZE], "seconds": ["1"]}],
    }


def ask(gateway: Gateway, renderer: str, number: int) -> str:
    asked = create_request({"prompt": f"kite {number}", "model": MODELS[renderer]}, {})
    render = gateway.intake.ask(CALLER, asked, gateway.intake.terms(ORIGIN, "create", asked)).render
    return render.intent.video_id


def held(gateway: Gateway) -> set[tuple[str, str, int]]:
    """The tasks that workers have of the renderer that hangs: stream, step and attempt."""
    with gateway.books.pool.connection() as connection:
        found = connection.execute(
            "select stream, step, attempt from work.agenda where callee = 'hanging' and lease_owner is not null"
        )
        return {*found}


def stuck(gateway: Gateway, step: str) -> set[tuple[str, str, int]]:
    """The same, once all it may have are in calls of this step, which do not end."""
    deadline, before = time.monotonic() + WAIT_S, held(gateway)
    while True:
        time.sleep(0.5)
        now = held(gateway)
        if now == before and len(now) == WORKERS and {each for _, each, _ in now} == {step}:
            return now
        assert time.monotonic() < deadline, now
        before = now


@pytest.mark.parametrize(("operation", "step"), [("create", "submit"), ("retrieve", "follow"), ("content", "store")])
def test_a_renderer_that_hangs_has_its_own_workers_and_the_others_videos_are_made(
    gateway: Gateway, renderers: dict[str, SimulatorServer], operation: str, step: str
) -> None:
    hangs = Fault.model_validate({"kind": FaultKind.LATENCY, "operation": operation, "times": None, "delay_s": 300})
    renderers["hanging"].simulator.faults.add(hangs)
    for number in range(HANGING):
        ask(gateway, "hanging", number)
    before, asked = stuck(gateway, step), follows(gateway)

    made = [wait_until(gateway, ask(gateway, "healthy", number), lambda r: r.ended) for number in range(HEALTHY)]
    assert [render.phase for render in made] == [Phase.STORED] * HEALTHY
    assert held(gateway) == before, "all it may have, all the time: none of its calls has ended"
    assert 0 < follows(gateway) - asked <= HEALTHY * POLLS_MAX


def follows(gateway: Gateway) -> float:
    """How often a job was asked about, and an answer came."""
    labels = {"process": "server", "step": "follow", "outcome": "done"}
    return gateway.books.counts.registry.get_sample_value("bickford_work_duration_seconds_count", labels) or 0

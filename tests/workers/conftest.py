"""A whole gateway without HTTP in front: real database, real storage, a simulator behind it over a socket."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import Gateway
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.request import create_request
from bickford_sora.recording import Origin
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from ledger import streams
from ledger.render import Render
from tests.inspecting import compose

CALLER = Caller("main", "default", "req-1", "key_1")
ORIGIN = Origin("main", "key_1")
SIZE = "128x96"
SIMULATED = SimulatorSettings(render_time_s=0.2, frame_rate=4, seconds=("1",), sizes=(SIZE,))
WAIT_S = 60.0


@pytest.fixture
def simulator() -> Iterator[SimulatorServer]:
    with SimulatorServer(SIMULATED) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return quick_settings(tmp_path, database_url)


def quick_settings(data_dir: Path, database_url: str) -> Settings:
    """A gateway whose patience is over soon."""
    return Settings(
        data_dir=data_dir,
        database_url=SecretStr(database_url),
        seconds=("1",),
        sizes=(SIZE,),
        submit_timeout_s=2.0,  # a busy machine is slow to answer; what is lost on purpose is waited for
        reconcile_grace_s=0.2,
        poll_interval_s=0.1,
        retry_after_max_s=0.2,
        submission_attempts_max=3,
        store_attempts_max=2,
        lease_s=5.0,
    )


def renderer_at(server: SimulatorServer) -> RendererSettings:
    return RendererSettings(name="simulator", base_url=server.url, credential="sim", api_key=SecretStr("sk-simulator"))


@pytest.fixture
def gateway(settings: Settings, simulator: SimulatorServer) -> Iterator[Gateway]:
    with ExitStack() as stack:
        books = stack.enter_context(open_books(settings))
        yield compose(books, [renderer_at(simulator)], stack)


@pytest.fixture
def working(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway with its workers running."""
    with Background(gateway.books, gateway):
        yield gateway


def ask(gateway: Gateway, prompt: str = "a red kite", key: str | None = None) -> Render:
    request = create_request({"prompt": prompt}, {})
    return gateway.intake.ask(CALLER, request, gateway.intake.terms(ORIGIN, "create", request, key=key)).render


def wait_until(gateway: Gateway, video_id: str, reached: Callable[[Render], bool], wait_s: float = WAIT_S) -> Render:
    """The render once it is as wanted. Fails, showing its facts, when that does not happen."""
    stream = streams.render("main", video_id)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        render = gateway.books.ledger.render(stream)
        if render is not None and reached(render):
            return render
        time.sleep(0.02)
    facts = [event.fact.TYPE for event in gateway.books.ledger.history(stream)]
    raise AssertionError(f"{video_id} did not get there: {facts}")


def types(gateway: Gateway, video_id: str) -> list[str]:
    return [event.fact.TYPE for event in gateway.books.ledger.history(streams.render("main", video_id))]

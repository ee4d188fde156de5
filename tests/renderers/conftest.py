import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from bickford_sora.renderers.dialects import DIALECTS, open_renderer, open_transport
from bickford_sora.renderers.port import Order
from bickford_sora.renderers.renderer import HttpRenderer
from bickford_sora.renderers.transport import TransportLimits
from tests.renderers.fake_server import FakeServer, Reply
from tests.renderers.stages import Stage, staged

SECRET = "sk-planted-0123456789abcdef"
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
IMPATIENT = TransportLimits(
    connect_timeout_s=4.0,
    pool_timeout_s=4.0,
    answer_timeout_s=3.0,
    silence_timeout_s=2.5,
    answer_bytes_max=200_000,
    list_bytes_max=200_000,
    download_bytes_max=200_000,
)

ORDER = Order(
    model="sora-2",
    prompt="A lighthouse at dusk, “wide shot”, café",
    seconds="4",
    size="1280x720",
    reference=None,
    idempotency_key="019a9f00-1111-7000-8000-000000000001",
)
VIDEO = {
    "id": "video_1",
    "object": "video",
    "model": "sora-2",
    "status": "queued",
    "progress": 0,
    "created_at": 1_763_640_000,
    "completed_at": None,
    "expires_at": None,
    "prompt": "A lighthouse at dusk",
    "size": "1280x720",
    "seconds": "4",
    "remixed_from_video_id": None,
    "error": None,
}

PLAIN_FORM = {"model": "sora-2", "prompt": ORDER.prompt, "seconds": "4", "size": "1280x720"}
"""What ORDER is as the plain fields of a form."""

MakeRenderer = Callable[..., HttpRenderer]
Scripted = Callable[..., tuple[HttpRenderer, FakeServer]]


def read_content(renderer: HttpRenderer, output: int = 0) -> bytes:
    """The whole video of a job."""
    with renderer.content("video_1", "video", output) as content:
        return b"".join(content.chunks)


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """One for all transports: loading the authorities takes longer than most tests."""
    return ssl.create_default_context()


@pytest.fixture
def renderer_at(tls: ssl.SSLContext) -> Iterator[Callable[..., HttpRenderer]]:
    """Makes a renderer, of the OpenAI dialect if nothing is said, that calls some URL."""
    with ExitStack() as opened:

        def make(
            url: str, *, dialect: str = "openai", limits: TransportLimits = IMPATIENT, **given: object
        ) -> HttpRenderer:
            secret = SecretStr(SECRET)
            transport = opened.enter_context(open_transport(dialect, url, secret, limits=limits, tls=tls))
            settings = {"submit_timeout_s": limits.answer_timeout_s, **given}
            return open_renderer(
                dialect, name="hosted", credential="team-a", transport=transport, clock=lambda: NOW, **settings
            )

        yield make


@pytest.fixture
def scripted(renderer_at: MakeRenderer) -> Iterator[Callable[..., tuple[HttpRenderer, FakeServer]]]:
    """Makes a renderer whose answers are given reply by reply."""
    with ExitStack() as opened:

        def make(*replies: Reply, **given: object) -> tuple[HttpRenderer, FakeServer]:
            server = opened.enter_context(FakeServer(*replies))
            return renderer_at(server.url, **given), server

        yield make


@pytest.fixture(params=DIALECTS, scope="session")
def shared_stage(request: pytest.FixtureRequest, tls: ssl.SSLContext) -> Iterator[Stage]:
    """One server for all tests: starting it takes longer than most of them."""
    with staged(request.param, tls) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Stage:
    """A stage of each dialect, with no job, no bill and no fault."""
    shared_stage.server.simulator.registry.clear()
    shared_stage.server.simulator.faults.clear()
    return shared_stage


@pytest.fixture(params=DIALECTS, scope="module")
def slow_stage(request: pytest.FixtureRequest, tls: ssl.SSLContext) -> Iterator[Stage]:
    """A stage of each dialect whose jobs take a minute; its server may be stopped and started."""
    with staged(request.param, tls, render_time_s=60) as stage:
        yield stage

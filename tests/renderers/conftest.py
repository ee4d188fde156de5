import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from bickford_sora.renderers.openai import OpenAIRenderer
from bickford_sora.renderers.port import Order
from bickford_sora.renderers.transport import Transport, TransportLimits
from tests.renderers.fake_server import FakeServer, Reply

SECRET = "sk-planted-0123456789abcdef"
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
IMPATIENT = TransportLimits(
    connect_timeout_s=0.5,
    pool_timeout_s=0.2,
    answer_timeout_s=0.4,
    silence_timeout_s=0.4,
    json_bytes_max=200_000,
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

MakeRenderer = Callable[..., OpenAIRenderer]


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """One for all transports: loading the authorities takes longer than most tests."""
    return ssl.create_default_context()


@pytest.fixture
def renderer_at(tls: ssl.SSLContext) -> Iterator[Callable[..., OpenAIRenderer]]:
    """Makes a renderer of the OpenAI dialect that calls some URL."""
    with ExitStack() as opened:

        def make(url: str, *, limits: TransportLimits = IMPATIENT, **given: object) -> OpenAIRenderer:
            transport = opened.enter_context(Transport(url, SecretStr(SECRET), limits=limits, tls=tls))
            settings = {"submit_timeout_s": limits.answer_timeout_s, **given}
            return OpenAIRenderer(
                name="hosted", credential="team-a", transport=transport, clock=lambda: NOW, **settings
            )

        yield make


@pytest.fixture
def scripted(renderer_at: MakeRenderer) -> Iterator[Callable[..., tuple[OpenAIRenderer, FakeServer]]]:
    """Makes a renderer whose answers are given reply by reply."""
    with ExitStack() as opened:

        def make(*replies: Reply, **given: object) -> tuple[OpenAIRenderer, FakeServer]:
            server = opened.enter_context(FakeServer(*replies))
            return renderer_at(server.url, **given), server

        yield make

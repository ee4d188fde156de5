from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from openai import OpenAI

from bickford_sora.simulator import SimulatorServer, SimulatorSettings

from .peer import Peer
from .receiver import WebhookReceiver

SMALL = SimulatorSettings(
    sizes=("720x1280", "1280x720", "1024x1792", "1792x1024", "128x96"),
    seconds=("1", "4", "8", "12"),
    render_time_s=0.05,
    frame_rate=8,
    poll_after_ms=20,
    webhook_backoff_s=0.02,
)


@pytest.fixture(scope="session")
def shared() -> Iterator[SimulatorServer]:
    with SimulatorServer(SMALL) as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """One for the whole run: each new client loads the certificates, which takes longer than most tests."""
    with httpx.Client() as client:
        yield client


@pytest.fixture
def server(shared: SimulatorServer, http: httpx.Client) -> SimulatorServer:
    """A simulator as if just started."""
    assert http.post(f"{shared.control_url}/reset").status_code == 204
    return shared


@pytest.fixture(scope="session")
def untouched() -> Iterator[SimulatorServer]:
    """One server for all tests whose every call must be refused: whatever is accepted shows on its bill."""
    with SimulatorServer(SMALL) as running:
        yield running
        assert running.simulator.registry.billed() == []


@pytest.fixture
def start() -> Iterator[Callable[..., SimulatorServer]]:
    """Starts a simulator with some settings of its own."""
    running: list[SimulatorServer] = []

    def start_one(**changes: object) -> SimulatorServer:
        server = SimulatorServer(SimulatorSettings.model_validate(SMALL.model_dump() | changes))
        server.start()
        running.append(server)
        return server

    yield start_one
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def shared_peers(http: httpx.Client) -> Iterator[Callable[[str], Peer]]:
    """One server of each flavour for the whole run."""
    with ExitStack() as opened:
        peers: dict[str, Peer] = {}

        def of(flavour: str) -> Peer:
            if flavour not in peers:
                settings = SimulatorSettings.model_validate(SMALL.model_dump() | {"flavour": flavour})
                peers[flavour] = Peer(opened.enter_context(SimulatorServer(settings)), http)
            return peers[flavour]

        yield of


@pytest.fixture
def peer_of(shared_peers: Callable[[str], Peer]) -> Callable[[str], Peer]:
    """A server of a flavour, as if just started."""

    def of(flavour: str) -> Peer:
        peer = shared_peers(flavour)
        assert peer.http.post(f"{peer.server.control_url}/reset").status_code == 204
        return peer

    return of


@pytest.fixture(scope="session")
def shared_client(shared: SimulatorServer) -> Iterator[OpenAI]:
    with OpenAI(api_key="sk-simulator", base_url=shared.url, max_retries=0, timeout=60) as openai:
        yield openai


@pytest.fixture
def client(server: SimulatorServer, shared_client: OpenAI) -> OpenAI:
    """The openai package, never retrying, at the server of this test."""
    return shared_client


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as listening:
        yield listening


@pytest.fixture
def told(server: SimulatorServer, receiver: WebhookReceiver) -> WebhookReceiver:
    """A receiver that the server of this test delivers to."""
    server.simulator.webhooks.send_to(url=receiver.url, secret=receiver.secret)
    return receiver

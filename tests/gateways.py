"""A whole gateway over sockets: a database of its own, workers, HTTP in front, and a simulator that calls back."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import Gateway
from bickford_sora.composition.house import house
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import ServerThread
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from tests.benchmarks.database import temporary_database
from tests.inspecting import compose

KEY = "bk_live_only-for-this-test"
WEBHOOK_SECRET = "whsec_b25seSBmb3IgdGhpcyB0ZXN0LCBub3QgYSBzZWNyZXQ="


@dataclass(frozen=True)
class RunningGateway:
    """What runs, and where."""

    gateway: Gateway
    simulator: SimulatorServer
    url: str
    """Of the server, without a path."""

    @property
    def api_url(self) -> str:
        """What a client is pointed at."""
        return f"{self.url}/v1"


@contextmanager
def running_gateway(
    server_url: str,
    simulated: SimulatorSettings,
    *,
    dialect: str = "openai",
    renderer_url: str | None = None,
    renderer_key: str = "sk-simulator",
    **settings: Any,
) -> Iterator[RunningGateway]:
    """Everything, until the end of the block. `settings` go before those of the environment.

    `renderer_url` names another renderer than the simulator that is started beside it.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(SimulatorServer(simulated))
        database = stack.enter_context(temporary_database(server_url))
        settings = {"projection_wait_s": 30.0, **settings}  # a list has what was made, however busy the machine is
        given = Settings(data_dir=folder, database_url=SecretStr(database), api_key=SecretStr(KEY), **settings)
        renderer = RendererSettings(
            name="simulator",
            dialect=dialect,
            base_url=renderer_url or simulator.url,
            credential="sim",
            api_key=SecretStr(renderer_key),
            webhook_secrets=(SecretStr(WEBHOOK_SECRET),),
        )
        books = stack.enter_context(open_books(given))
        gateway = compose(books, [renderer], stack)
        rooms = house(gateway, SecretStr(KEY))
        server = stack.enter_context(ServerThread(create_app(rooms), on_stopping=rooms.tide.closing.set))
        simulator.simulator.webhooks.send_to(url=f"{server.url}/webhooks/simulator", secret=WEBHOOK_SECRET)
        stack.enter_context(Background(books, gateway, gateway.configuring))
        yield RunningGateway(gateway, simulator, server.url)

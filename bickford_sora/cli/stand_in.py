"""Which renderers `serve` and `worker` use, the simulator among them when it is asked for."""

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bickford_sora.cli.problems import CommandRefused
from bickford_sora.settings import RendererSettings, Settings

if TYPE_CHECKING:
    from bickford_sora.simulator import SimulatorServer

NAME = "simulator"
WEBHOOK_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class StandIn:
    """A simulator in this process, and how it is used as a renderer."""

    running: "SimulatorServer"
    renderer: RendererSettings

    def call_back(self, server_url: str) -> None:
        """From now on its webhooks go to the server at this address."""
        secret = self.renderer.webhook_secrets[0].get_secret_value()
        self.running.simulator.webhooks.send_to(url=f"{server_url}/webhooks/{NAME}", secret=secret)


@contextmanager
def stand_in(settings: Settings, *, render_time_s: float) -> Iterator[StandIn]:
    """Runs a simulator that offers what the settings offer. For development and tests only."""
    # What draws videos takes 20 MiB of memory that no other server needs.
    from bickford_sora.simulator import SimulatorServer, SimulatorSettings  # noqa: PLC0415

    asked = SimulatorSettings(
        models=settings.models,
        seconds=settings.seconds,
        sizes=settings.sizes,
        render_time_s=render_time_s,
        reference_bytes_max=settings.reference_bytes_max,
    )
    with SimulatorServer(asked) as running:
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES)).decode()}"
        yield StandIn(
            running,
            RendererSettings(
                name=NAME,
                base_url=running.url,
                credential=f"{NAME}-default",
                api_key=SecretStr(asked.api_key),
                webhook_secrets=(SecretStr(secret),),
            ),
        )


def no_renderer() -> CommandRefused:
    """The refusal where there is nobody to render."""
    return CommandRefused(
        "No renderer is configured. Set OPENAI_BASE_URL (and OPENAI_API_KEY) to a server that speaks the Videos API; "
        "OpenAI's own was switched off on 2026-09-24. To try it without one: 'bickford-sora serve --simulator'. "
        "To serve what is recorded only: 'bickford-sora serve --no-workers'.",
        code="no_renderer",
    )

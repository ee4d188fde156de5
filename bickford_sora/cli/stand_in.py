"""The stand-in that `serve --simulator` renders with, and the refusal where there is nobody to render."""

import base64
import secrets
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bickford_sora.cli.problems import CommandRefused
from bickford_sora.database.layout import prepare_data_dir
from bickford_sora.database.locks import FileLock
from bickford_sora.lifeline import Lifeline
from bickford_sora.settings import RendererSettings, Settings

if TYPE_CHECKING:
    from bickford_sora.simulator import SimulatorSettings

NAME = "simulator"
WEBHOOK_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class StandIn:
    """A simulator that is to run in a process of its own, and how it is used as a renderer."""

    asked: "SimulatorSettings"
    renderer: RendererSettings
    listening: socket.socket
    server_url: str
    """Where its webhooks go."""

    def run(self, lifeline: Lifeline) -> None:
        """Simulates until the keeper says stop."""
        from bickford_sora.simulator import SimulatorServer  # noqa: PLC0415 - as below

        with SimulatorServer(self.asked, listening=self.listening) as running:
            secret = self.renderer.webhook_secrets[0].get_secret_value()
            running.simulator.webhooks.send_to(url=f"{self.server_url}/webhooks/{NAME}", secret=secret)
            lifeline.ready()
            lifeline.stop.wait()


def stand_in(settings: Settings, *, render_time_s: float, server_url: str) -> StandIn:
    """A simulator that offers what the settings offer, for the server at this address. For development and tests only.

    Raises OSError.
    """
    # What draws videos takes 20 MiB of memory that no other server needs.
    from bickford_sora.simulator import SimulatorSettings  # noqa: PLC0415
    from bickford_sora.simulator.server import base_url, listen  # noqa: PLC0415

    asked = SimulatorSettings(
        models=settings.models,
        seconds=settings.seconds,
        sizes=settings.sizes,
        render_time_s=render_time_s,
        reference_bytes_max=settings.reference_bytes_max,
    )
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES)).decode()}"
    listening = listen(asked.host, asked.port)
    renderer = RendererSettings(
        name=NAME,
        base_url=base_url(asked, listening.getsockname()[1]),
        credential=f"{NAME}-default",
        api_key=SecretStr(asked.api_key),
        webhook_secrets=(SecretStr(secret),),
    )
    return StandIn(asked, renderer, listening, server_url)


def alone(data_dir: Path, stack: ExitStack) -> None:
    """Keeps a second stand-in away: the workers of one would ask it for the jobs of the other, which it does not know.

    Raises CommandRefused, and bickford_sora.database.errors.FolderError.
    """
    prepare_data_dir(data_dir)
    lock = FileLock.open(data_dir / "simulator.lock")
    stack.callback(lock.release)
    if not lock.try_exclusive():
        raise CommandRefused(
            f"Another server with --simulator runs on {data_dir}. Use that one, end it, or choose another "
            "BICKFORD_DATA_DIR.",
            code="simulator_running",
        )


def no_renderer() -> CommandRefused:
    """The refusal where there is nobody to render."""
    return CommandRefused(
        "No renderer is configured. Set OPENAI_BASE_URL (and OPENAI_API_KEY) to a server that speaks the Videos API; "
        "OpenAI's own was switched off on 2026-09-24. To try it without one: 'bickford-sora serve --simulator'. "
        "To serve what is recorded only: 'bickford-sora serve --no-workers'.",
        code="no_renderer",
    )

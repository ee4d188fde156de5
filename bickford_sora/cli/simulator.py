"""`bickford-sora simulator`."""

from typing import Annotated

import typer

from bickford_sora.simulator import SimulatorSettings, run
from bickford_sora.telemetry import configure_logging

DEFAULTS = SimulatorSettings()


def simulator(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULTS.host,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8100,
    api_key: Annotated[str, typer.Option(help="The key clients must show.")] = DEFAULTS.api_key,
    render_time: Annotated[
        float, typer.Option(min=0, help="From accepted to completed, in seconds.")
    ] = DEFAULTS.render_time_s,
    frame_rate: Annotated[int, typer.Option(min=1, max=60, help="Frames per second.")] = DEFAULTS.frame_rate,
    seed: Annotated[int, typer.Option(help="Of the pictures, and of faults that strike by chance.")] = DEFAULTS.seed,
    size: Annotated[
        list[str] | None, typer.Option(help="A size it offers; may be repeated. Else the hosted API's.")
    ] = None,
    seconds: Annotated[list[str] | None, typer.Option(help="A length it offers; may be repeated.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Where to send webhooks.")] = None,
    webhook_secret: Annotated[str | None, typer.Option(help="What they are signed with.")] = None,
) -> None:
    """Serve a stand-in renderer, for development and tests only."""
    configure_logging(None, "warning")
    settings = SimulatorSettings(
        host=host,
        port=port,
        api_key=api_key,
        render_time_s=render_time,
        frame_rate=frame_rate,
        sizes=tuple(size or DEFAULTS.sizes),
        seconds=tuple(seconds or DEFAULTS.seconds),
        seed=seed,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
    )
    run(settings, announce=lambda url: print(f"Simulating a renderer at {url} with the key {api_key}", flush=True))

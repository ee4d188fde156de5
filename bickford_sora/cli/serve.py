"""`bickford-sora serve`."""

from contextlib import ExitStack
from typing import Annotated

import typer

from bickford_sora.database.early import started_early
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging

LOOKS_AT_STAND_IN = 8
"""How often a stand-in's job is asked about while it renders, so that there is progress to be seen."""


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8000,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Render with a stand-in. For development and tests only.")
    ] = False,
    render_time: Annotated[float, typer.Option(min=0, help="How long the stand-in takes, in seconds.")] = 4.0,
    workers: Annotated[bool, typer.Option("--workers/--no-workers", help="Whether to work on renders, too.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is wrong and what to do, as 'doctor', and serve nothing.")
    ] = False,
) -> None:
    """Serve the Videos API until interrupted."""
    if check:
        from bickford_sora.cli.doctor import report  # noqa: PLC0415 - who serves does not need it

        report((host, port), stand_in=simulator)
        return
    settings = Settings()
    if simulator:  # its renders are over before anybody would ask how far they are
        often_s = min(settings.poll_interval_s, max(render_time, 1.0) / LOOKS_AT_STAND_IN)
        settings = settings.model_copy(update={"poll_interval_s": often_s})
    redaction = configure_logging(settings.log_json, settings.log_level)
    with ExitStack() as stack:
        if simulator:
            from bickford_sora.cli.stand_in import alone  # noqa: PLC0415 - who serves in earnest does not need it

            alone(settings.data_dir, stack)
        elif workers and not settings.renderers() and settings.renderers_file is None:
            from bickford_sora.cli.stand_in import no_renderer  # noqa: PLC0415 - as above

            raise no_renderer()
        if settings.database_url is None:
            stack.enter_context(started_early(settings.data_dir))
        # Two seconds of a processor, while the database starts.
        from bickford_sora.cli.keeping import Asked, keep  # noqa: PLC0415

        asked = Asked(host=host, port=port, render_time_s=render_time if simulator else None, works=workers)
        status = keep(settings, asked, redaction)
    raise typer.Exit(status)

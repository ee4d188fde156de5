"""`bickford-sora worker`."""

import os
import signal
import threading
from contextlib import ExitStack
from typing import Annotated

import typer

from bickford_sora.background import working
from bickford_sora.cli.output import note
from bickford_sora.cli.stand_in import no_renderer
from bickford_sora.composition.gateway import Gateway
from bickford_sora.counts import Counts
from bickford_sora.settings import Settings
from bickford_sora.signals import STOPPING
from bickford_sora.telemetry import configure_logging


def worker(
    *,
    metrics_host: Annotated[str, typer.Option(help="Address for probes and Prometheus, with its port.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Answer /healthz, /readyz and /metrics here, without an API key."),
    ] = None,
) -> None:
    """Work on renders without serving, until interrupted."""
    settings = Settings()
    redaction = configure_logging(settings.log_json, settings.log_level)
    renderers = settings.renderers()
    if not renderers and settings.renderers_file is None:
        raise no_renderer()
    stop = threading.Event()
    with ExitStack() as stack:
        gateway = stack.enter_context(working(settings, renderers, redaction, counts=Counts("worker")))
        if metrics_port is not None:
            url = _probes(gateway, stack, host=metrics_host, port=metrics_port)
            note(f"Probes and metrics are at {url}")
        _heed(stop)
        names = ", ".join(each.name for each in gateway.configuring.renderers)
        print(f"Working with the renderer {names}", flush=True)
        stop.wait()
        note("Stopping: what was begun is finished first.")


def _heed(stop: threading.Event) -> None:
    """Signals that end `serve` end a worker: the first lets it finish, a second one breaks off, which loses nothing."""

    def told(number: int, _: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup(1)
            signal.signal(number, told)


def _probes(gateway: Gateway, stack: ExitStack, *, host: str, port: int) -> str:
    """Answers probes for as long as the stack is open. Returns where."""
    # Nearly half of the start of a worker that is not asked for them.
    from bickford_sora.composition.books import problems  # noqa: PLC0415
    from bickford_sora.composition.house import metrics  # noqa: PLC0415
    from bickford_sora.http.serving import ServerThread  # noqa: PLC0415
    from bickford_sora.http.worker_routes import create_worker_app  # noqa: PLC0415

    app = create_worker_app(metrics(gateway), lambda: problems(gateway.books))
    return stack.enter_context(ServerThread(app, host=host, port=port)).url

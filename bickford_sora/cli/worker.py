"""`bickford-sora worker`."""

import signal
import threading

from bickford_sora.background import working
from bickford_sora.cli.output import note
from bickford_sora.cli.stand_in import no_renderer
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging


def worker() -> None:
    """Work on renders without serving, until interrupted."""
    settings = Settings()
    redaction = configure_logging(settings.log_json, settings.log_level)
    renderers = settings.renderers()
    if not renderers and settings.renderers_file is None:
        raise no_renderer()
    stop = threading.Event()
    with working(settings, renderers, redaction) as gateway:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        names = ", ".join(each.name for each in gateway.configuring.renderers)
        print(f"Working with the renderer {names}", flush=True)
        stop.wait()
        note("Stopping: what was begun is finished first.")

"""`bickford-sora worker`."""

import signal
import threading
from contextlib import ExitStack

from bickford_sora.background import Background
from bickford_sora.cli.output import note
from bickford_sora.cli.stand_in import no_renderer
from bickford_sora.composition.books import open_books
from bickford_sora.composition.gateway import compose
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
    with ExitStack() as stack:
        books = stack.enter_context(open_books(settings))
        gateway = compose(books, renderers, stack)
        gateway.erasures.reapply()  # before anything is worked on: a restored backup revives nothing
        configured = gateway.configuring.renderers
        for each in configured:
            redaction.register(each.api_key.get_secret_value())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stack.enter_context(Background(books, gateway, gateway.configuring))
        print(f"Working with the renderer {', '.join(each.name for each in configured)}", flush=True)
        stop.wait()
        note("Stopping: what was begun is finished first.")

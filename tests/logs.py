"""How the tests log: plainly."""

import structlog


def log_plainly() -> None:
    """Writes events on one line, as before any command set up logging of its own.

    The default renderer draws every local variable of a traceback, which can stop a server in this process for seconds.
    """
    structlog.reset_defaults()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(key_order=["event"])]
    )

"""What all commands share that read the database themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bickford_sora.composition import Books, open_books
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging

CONNECT_TIMEOUT_S = 5


def quiet_settings() -> Settings:
    """The settings, with only warnings and worse logged: standard output is the answer's alone."""
    settings = Settings()
    configure_logging(settings.log_json, "warning")
    return settings


@contextmanager
def books() -> Iterator[Books]:
    """The ledger and its read models. Starts the embedded database when nobody has it running.

    Raises psycopg.OperationalError at once when the database that is configured does not answer.
    """
    settings = quiet_settings()
    if settings.database_url is not None:
        # A pool would go on trying for half a minute, as a server should; somebody waits for this command.
        psycopg.connect(settings.database_url.get_secret_value(), connect_timeout=CONNECT_TIMEOUT_S).close()
    with open_books(settings) as opened:
        yield opened

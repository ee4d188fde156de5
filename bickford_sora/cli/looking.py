"""What all commands share that read the database themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from bickford_sora.composition import Books, open_books
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging


def quiet_settings() -> Settings:
    """The settings, with only warnings and worse logged: standard output is the answer's alone."""
    settings = Settings()
    configure_logging(settings.log_json, "warning")
    return settings


@contextmanager
def books() -> Iterator[Books]:
    """The ledger and its read models. Starts the embedded database when nobody has it running."""
    with open_books(quiet_settings()) as opened:
        yield opened

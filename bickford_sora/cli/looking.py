"""What all commands share that read the database themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import Books, open_books
from bickford_sora.database.layout import Layout
from bickford_sora.doctor.server import has_schema
from bickford_sora.pasts import Past, Pasts
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging
from ledger.silence import connect


def quiet_settings() -> Settings:
    """The settings, with only warnings and worse logged: standard output is the answer's alone."""
    settings = Settings()
    configure_logging(settings.log_json, "warning")
    return settings


def check_now(tenant: str | None) -> None:
    """Raises typer.BadParameter for a tenant where a server is asked."""
    if tenant is not None:
        raise typer.BadParameter("--tenant goes with --as-of; a server goes by the API key")


@contextmanager
def past_books(as_of: str, url: str | None) -> Iterator[tuple[Books, Past]]:
    """The ledger, and its past as of a position or moment. It is folded here: a server that is named is not asked.

    Raises typer.BadParameter with `url`.
    """
    if url is not None:
        raise typer.BadParameter("--as-of reads the ledger here; of another server ask ?as_of= by HTTP")
    with books() as opened:
        yield opened, Pasts(opened.ledger, opened.clock).at(as_of, param="--as-of")


def unknown_then(past: Past) -> CommandRefused:
    """The refusal of a video that was not there."""
    return CommandRefused(
        f"As of position {past.position} the ledger has no video with this id. Find it with 'videos list'.",
        code="video_not_found",
    )


def has_ledger() -> bool:
    """Whether there is one where the settings say, which `books` would make there otherwise.

    Raises psycopg.OperationalError when the database that is configured does not answer.
    """
    settings = quiet_settings()
    if settings.database_url is None:
        return Layout(settings.data_dir.absolute()).cluster.exists()
    with connect(settings.database_url.get_secret_value()) as connection:
        return has_schema(connection)


@contextmanager
def books() -> Iterator[Books]:
    """The ledger and its read models. Starts the embedded database when nobody has it running.

    Raises psycopg.OperationalError at once when the database that is configured does not answer.
    """
    settings = quiet_settings()
    if settings.database_url is not None:
        # A pool would go on trying for half a minute, as a server should; somebody waits for this command.
        connect(settings.database_url.get_secret_value()).close()
    with open_books(settings) as opened:
        yield opened

"""`bickford-sora serve`."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from bickford_sora.background import told_on, watching_renderer_file, working
from bickford_sora.background_process import BackgroundProcess
from bickford_sora.board import Board
from bickford_sora.callers import ApiKey, load_or_make_api_key
from bickford_sora.cli.doctor import report
from bickford_sora.cli.output import note
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.stand_in import no_renderer, stand_in
from bickford_sora.client.connection import serve_file
from bickford_sora.composition.books import keys_folder, open_books
from bickford_sora.composition.console import console
from bickford_sora.composition.gateway import compose
from bickford_sora.composition.house import house
from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.console.app import with_console
from bickford_sora.counts import Counts
from bickford_sora.database.layout import prepare_data_dir
from bickford_sora.database.locks import FileLock
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import serve as serve_until_told
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.telemetry import configure_logging
from bickford_sora.workers.watch import Watch

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what to call ourselves when we listen there
"""Addresses that mean every interface, and the one that reaches us from this machine."""
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
        report((host, port))
        return
    settings = Settings()
    if simulator:  # its renders are over before anybody would ask how far they are
        often_s = min(settings.poll_interval_s, max(render_time, 1.0) / LOOKS_AT_STAND_IN)
        settings = settings.model_copy(update={"poll_interval_s": often_s})
    redaction = configure_logging(settings.log_json, settings.log_level)

    board = Board()

    def run(renderers: Sequence[RendererSettings], stop: threading.Event, watch: Watch) -> None:
        counts = Counts("background")
        with working(settings, renderers, redaction, works=workers, watch=watch, counts=counts), told_on(board, counts):
            stop.wait()

    background = BackgroundProcess(run)  # now: behind this line there are threads
    with ExitStack() as stack:
        if simulator:
            _alone(settings.data_dir, stack)
        stage = stack.enter_context(stand_in(settings, render_time_s=render_time)) if simulator else None
        renderers = ((stage.renderer,) if stage else ()) + settings.renderers()
        if workers and not renderers and settings.renderers_file is None:
            raise no_renderer()
        books = stack.enter_context(open_books(settings))
        gateway = compose(books, renderers, stack)
        gateway.erasures.reapply()  # before anything is served: a restored backup revives nothing
        api_key = load_or_make_api_key(keys_folder(settings) / "api.key", settings)
        of_issuer = (settings.oidc_client_secret,) if settings.oidc_client_secret else ()
        for secret in (api_key.secret, *of_issuer, *(each.api_key for each in gateway.configuring.renderers)):
            redaction.register(secret.get_secret_value())
        rooms = house(gateway, api_key.secret, board.read)
        stack.enter_context(watching_renderer_file(books, gateway.configuring))
        stack.enter_context(background.running(renderers, books.watch))

        def announce(listening_url: str) -> None:
            url = reachable(listening_url)
            if stage:
                stage.call_back(url)
                note(
                    f"DEVELOPMENT ONLY: videos are drawn by a simulator at {stage.renderer.base_url}, "
                    "and none of its jobs outlives this process."
                )
            stack.enter_context(address_left(settings.data_dir, f"{url}/v1"))
            _print(f"{url}/v1", api_key, settings)
            for renderer in gateway.configuring.renderers:
                note(_webhook_advice(renderer, settings.public_url or url))

        app = with_console(create_app(rooms), console(gateway, rooms, stack))
        serve_until_told(app, host, port, on_started=announce, on_stopping=rooms.tide.closing.set)
        note("Stopping: what was begun is finished first.")


def _alone(data_dir: Path, stack: ExitStack) -> None:
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


def reachable(listening_url: str) -> str:
    """The server's address as it is reached from this machine."""
    parts = urlsplit(listening_url)
    host = EVERYWHERE.get(parts.hostname or "")
    return f"http://{host}:{parts.port}" if host else listening_url


@contextmanager
def address_left(data_dir: Path, base_url: str) -> Iterator[None]:
    """Tells commands on this machine where we are, for as long as we are there."""
    left = serve_file(data_dir)
    other = _other_server(left)
    content = json.dumps({"base_url": base_url, "pid": os.getpid()})
    left.write_text(content, "utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            if left.read_text("utf-8") == content:  # another server may have started on this folder since
                left.unlink()
                if other is not None and _other_server_runs(other):
                    left.write_text(other, "utf-8")


def _other_server(left: Path) -> str | None:
    """What a server that started on this folder before us has left there."""
    with suppress(OSError, UnicodeDecodeError):
        return left.read_text("utf-8")
    return None


def _other_server_runs(content: str) -> bool:
    with suppress(ValueError, KeyError, TypeError, ProcessLookupError):
        os.kill(int(json.loads(content)["pid"]), 0)
        return True
    return False


def _webhook_advice(renderer: ConfiguredRenderer, public_url: str) -> str:
    """Where this renderer's webhooks belong."""
    if renderer.webhook_secrets:
        return f"Webhooks of the renderer {renderer.name!r} belong at {public_url}/webhooks/{renderer.name}"
    return f"The renderer {renderer.name!r} has no webhook secret; its jobs are followed by asking alone."


def _print(base_url: str, api_key: ApiKey, settings: Settings) -> None:
    print(f"Serving the Videos API at {base_url}", flush=True)
    if api_key.made:
        kept = keys_folder(settings) / "api.key"
        print(f"API key, made just now and kept in {kept}: {api_key.secret.get_secret_value()}", flush=True)
    print(f"The console is at {base_url.removesuffix('/v1')}/", flush=True)

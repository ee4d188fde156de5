"""Keeping a server going, and saying where it is: what `bickford-sora serve` does once everything is imported."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bickford_sora.board import Board
from bickford_sora.callers import ApiKey, load_or_make_api_key
from bickford_sora.cli.address import address_left, reachable
from bickford_sora.cli.output import note
from bickford_sora.cli.problems import explained
from bickford_sora.cli.stand_in import StandIn, stand_in
from bickford_sora.composition.books import keys_folder
from bickford_sora.composition.gateway import configured, new_owner
from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.http.serving import bind, url_of
from bickford_sora.keeper import Keeper, Part
from bickford_sora.serving import Serving
from bickford_sora.settings import Settings
from bickford_sora.telemetry import Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to serve, by the command's options."""

    host: str
    port: int
    render_time_s: float | None
    """How long the stand-in takes; None: there is none."""
    works: bool


def keep(settings: Settings, asked: Asked, redaction: Redaction) -> int:
    """Serves until it is told to stop. Returns the exit status.

    Raises OSError when the address cannot be used, and what reading keys and renderers raises.
    """
    with ExitStack() as stack:
        bound = stack.enter_context(bind(asked.host, asked.port))
        url = reachable(url_of(bound))
        stage = _stage(settings, asked, url)
        renderers = ((stage.renderer,) if stage else ()) + settings.renderers()
        found = configured(settings, renderers).renderers
        api_key = load_or_make_api_key(keys_folder(settings) / "api.key", settings)
        of_issuer = (settings.oidc_client_secret,) if settings.oidc_client_secret else ()
        for secret in (api_key.secret, *of_issuer, *(each.api_key for each in found)):
            redaction.register(secret.get_secret_value())
        serving = Serving(
            settings=settings,
            renderers=renderers,
            api_key=api_key.secret,
            redaction=redaction,
            bound=bound,
            board=Board(),
            owner=new_owner(),
            works=asked.works,
        )

        def announce() -> None:
            stack.enter_context(address_left(settings.data_dir, f"{url}/v1"))
            _announce(url, api_key, settings, found, stage)

        parts = [*serving.parts(), *([Part("stand-in", stage.run, listening=stage.listening)] if stage else [])]
        return Keeper(parts, on_ready=announce, on_stopping=_say_stopping, complain=_complain).run()


def _stage(settings: Settings, asked: Asked, url: str) -> StandIn | None:
    if asked.render_time_s is None:
        return None
    return stand_in(settings, render_time_s=asked.render_time_s, server_url=url)


def _complain(error: Exception) -> None:
    print(explained(error), file=sys.stderr)


def _say_stopping() -> None:
    note("Stopping: what was begun is finished first.")


def _announce(
    url: str, api_key: ApiKey, settings: Settings, renderers: Sequence[ConfiguredRenderer], stage: StandIn | None
) -> None:
    if stage:
        note(
            f"DEVELOPMENT ONLY: videos are drawn by a simulator at {stage.renderer.base_url}, "
            "and none of its jobs outlives this process."
        )
    print(f"Serving the Videos API at {url}/v1", flush=True)
    if api_key.made:
        kept = keys_folder(settings) / "api.key"
        print(f"API key, made just now and kept in {kept}: {api_key.secret.get_secret_value()}", flush=True)
    print(f"The console is at {url}/", flush=True)
    for each in renderers:
        note(_webhook_advice(each, settings.public_url or url))


def _webhook_advice(renderer: ConfiguredRenderer, public_url: str) -> str:
    """Where this renderer's webhooks belong."""
    if renderer.webhook_secrets:
        return f"Webhooks of the renderer {renderer.name!r} belong at {public_url}/webhooks/{renderer.name}"
    return f"The renderer {renderer.name!r} has no webhook secret; its jobs are followed by asking alone."

"""Checks of the renderers: their file, their replicas, their webhook secrets."""

from collections.abc import Iterator
from contextlib import ExitStack

from bickford_sora import webhook_signatures
from bickford_sora.composition.gateway import configured, opening
from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.doctor.finding import Finding, ok, problem, warning
from bickford_sora.renderer_file import RendererFileInvalid
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.port import Renderer
from bickford_sora.settings import Settings
from bickford_sora.webhook_signatures import WebhookSecretInvalid
from ledger.clock import Clock

SECRET_CHARS_MIN = 20
"""Characters below which a webhook secret, its `whsec_` included, could be tried out from one webhook."""
_LONGER = "Have the renderer sign with 24 random bytes or more: whsec_ and base64."


def check_renderers(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Every renderer as it is configured, and a cheap question to each of its replicas."""
    try:
        renderers = configured(settings, settings.renderers()).renderers
    except (RendererFileInvalid, OSError) as error:
        yield problem("renderers", str(error), "Correct the renderer file; 'bickford-sora renderers check' reads it.")
        return
    if not renderers:
        advice = "Set OPENAI_BASE_URL or BICKFORD_RENDERERS_FILE; for development 'serve --simulator' needs neither."
        yield problem("renderers", "none is configured", advice)
        return
    with ExitStack() as stack:
        opened = opening(settings, clock, stack)
        for each in renderers:
            for replica in sorted(set(each.replicas) - each.drained):
                try:
                    opened(each, replica).probe()
                    yield _list(opened(each, replica), f"{each.name} at {replica}")
                except ReadFailed as error:
                    yield problem("renderers", f"{each.name} at {replica}: {error.code}", _advice(error.code))
            yield _webhooks(each, settings, clock)


def _list(renderer: Renderer, name: str) -> Finding:
    """Whether a renderer that answers has the list that its dialect has: an address that lacks its path has none."""
    if renderer.capabilities.lists:
        try:
            next(iter(renderer.jobs()), None)
        except ReadFailed as error:
            if error.code != "renderer_list_unsupported":
                raise
            return warning(
                "renderers",
                f"{name} answers, and has no list of videos there",
                "See that the address is whole; it usually ends in /v1. Without a list, what became of a submission "
                "without an answer is for an operator to find out.",
            )
    return ok("renderers", f"{name} answers")


def _advice(code: str) -> str:
    if code in {"renderer_unauthorized", "renderer_credential_refused"}:
        return "Correct the credential: the renderer does not accept it."
    return "Check the address, and that the renderer runs and accepts the credential."


def _webhooks(renderer: ConfiguredRenderer, settings: Settings, clock: Clock) -> Finding:
    secrets = [each.get_secret_value() for each in renderer.webhook_secrets]
    if not secrets:
        return ok("webhooks", f"{renderer.name} has no webhook secret: its jobs are followed by asking alone")
    try:
        webhook_signatures.sign(b"", webhook_id="check", sent_at=clock(), secrets=secrets)
    except WebhookSecretInvalid as error:
        return problem("webhooks", f"{renderer.name}: {error}", "Set the secret the renderer signs with.")
    if any(len(each) < SECRET_CHARS_MIN for each in secrets):
        return warning("webhooks", f"{renderer.name} has a webhook secret that is short enough to guess", _LONGER)
    if settings.public_url is None:
        return warning(
            "webhooks",
            f"{renderer.name} signs webhooks, and BICKFORD_PUBLIC_URL is not set",
            "Set it to where renderers reach this server, and give them that address.",
        )
    return ok("webhooks", f"{renderer.name} sends them to {settings.public_url}/webhooks/{renderer.name}")

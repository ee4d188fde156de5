"""Keeping the configuration: read at the start, again whenever the renderer file changes, and put on record."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import structlog

from bickford_sora import configuration
from bickford_sora.configuration import Configuration, ConfiguredRenderer
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, Recovery
from bickford_sora.renderer_file import RendererFileInvalid, read_renderer_file
from bickford_sora.stops import Stops
from ledger.errors import LedgerError
from ledger.events import RendererConfigured
from ledger.keys import Keys

LOOK_S = 2.0
"""How often the file, and the names in it, are looked at, in seconds."""

log = structlog.get_logger(__name__)


class Configuring:
    """The configuration of this process. Safe to use from several threads."""

    def __init__(
        self,
        current: Configuration,
        *,
        stops: Stops,
        publish: Callable[[Catalogue], None],
        keys: Keys,
        apply: Callable[[Configuration], None],
    ) -> None:
        """`publish` puts its prices on record, without which no decision is taken by it. Raises LedgerError as that."""
        self._current = current
        self._publish = publish
        self._stops = stops
        self._keys = keys
        self._apply = apply
        self.problem: str | None = None
        """What is wrong with the file as it is now; the configuration before it is kept."""
        self._adopt(current)

    @property
    def renderers(self) -> tuple[ConfiguredRenderer, ...]:
        """The renderers as they are configured now."""
        return self._current.renderers

    def catalogue(self) -> Catalogue:
        """What is offered now."""
        return self._current.catalogue

    def weights(self) -> Mapping[str, int]:
        """How many turns each project has in the queue, where that is not one; by `tenant/project`."""
        return self._current.weights

    def renderer(self, name: str) -> ConfiguredRenderer | None:
        """One renderer, by its name."""
        return next((each for each in self._current.renderers if each.name == name), None)

    def watch(self, path: Path, environment: Mapping[str, str], stop: threading.Event) -> None:
        """Takes over what changed in the file, or in the addresses of its names, until `stop` is set."""
        while not stop.wait(LOOK_S):
            self.look(path, environment)

    def look(self, path: Path, environment: Mapping[str, str]) -> None:
        """Takes over the file as it is now; one that is wrong is told of, and changes nothing."""
        try:
            found = configuration.of_file(read_renderer_file(path), environment)
        except RendererFileInvalid as error:
            if self.problem != str(error):
                log.warning("renderer_file_invalid", error=str(error))
            self.problem = str(error)
            return
        self.problem = None
        if found == self._current:
            return
        try:
            self._adopt(found)
        except LedgerError as error:  # it is tried again at the next look
            log.warning("prices_unpublished", error=type(error).__name__)
            return
        log.info("renderers_configured", renderers=[each.name for each in found.renderers])

    def _adopt(self, found: Configuration) -> None:
        self._publish(found.catalogue)
        self._apply(found)
        self._current = found
        for each in found.renderers:
            try:
                self._stops.configure(said_of(each, found.catalogue, self._keys))
            except LedgerError as error:  # it is used all the same, and recorded with the next change or start
                log.warning("configuration_unrecorded", renderer=each.name, error=type(error).__name__)


def said_of(each: ConfiguredRenderer, catalogue: Catalogue, keys: Keys) -> RendererConfigured:
    """What goes on record of a renderer: the same in every process that has the same configuration of it."""
    offers = [
        offer
        for _, route in sorted(catalogue.routes.items())
        for offer in route.offers
        if (offer.renderer, offer.credential) == (each.name, each.credential)
    ]
    return RendererConfigured(
        renderer=each.name,
        dialect=each.dialect,
        credential=each.credential,
        replicas=each.replicas,
        models=tuple(offer.model for offer in offers),
        configuration_hash=keys.digest("renderer", _said(each, offers)),
    )


def _said(each: ConfiguredRenderer, offers: Sequence[ModelOffer]) -> bytes:
    """Everything that is configured of a renderer, the same bytes in every process.

    What is as it is by default adds nothing, so that a new key of the file changes no renderer that does not use it.
    """
    recovery = [[offer.model, *astuple(offer.recovery)] for offer in offers if offer.recovery != Recovery()]
    return json.dumps(
        [
            [each.name, each.dialect, each.credential, each.api_key.get_secret_value()],
            [each.replicas, sorted(each.drained), each.in_flight_max, each.requests_per_minute_max],
            [secret.get_secret_value() for secret in each.webhook_secrets],
            [_offered(offer) for offer in offers],
            *([["keeps idempotency keys"]] if each.keeps_idempotency_keys else []),
            *([recovery] if recovery else []),
        ]
    ).encode()


def _offered(offer: ModelOffer) -> list[object]:
    return [
        [offer.model, offer.served_model, offer.sizes, offer.seconds, offer.extension_seconds],
        [sorted(offer.fields), offer.prompt_chars_max, offer.weight],
    ]

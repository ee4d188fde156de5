"""What is configured now: renderers, and the catalogue of what they offer; from the renderer file, or the settings."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pydantic import SecretStr

from bickford_sora.decisions import price_table
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, OnLost, Price, Recovery, Route
from bickford_sora.decisions.prices import LIST_PRICES, up_to_ms
from bickford_sora.renderer_file import (
    ModelEntry,
    PriceEntry,
    RendererEntry,
    RendererFile,
    RendererFileInvalid,
    RouteEntry,
    secret_of,
    webhook_secrets_of,
)
from bickford_sora.renderers.dialects import capabilities_of
from bickford_sora.settings import RendererSettings, Settings

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name, as they go into a URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredRenderer:
    """One renderer as it is used."""

    name: str
    dialect: str
    credential: str
    api_key: SecretStr
    replicas: tuple[str, ...]
    drained: frozenset[str] = frozenset()
    webhook_secrets: tuple[SecretStr, ...] = ()
    in_flight_max: int | None = None
    requests_per_minute_max: int | None = None
    fields: frozenset[str] | None = None
    """Fields beyond the protocol; None: those its dialect always has."""
    keeps_idempotency_keys: bool = False
    """Whether two submissions with one idempotency key make one job there."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that can change while a process runs."""

    renderers: tuple[ConfiguredRenderer, ...] = ()
    catalogue: Catalogue = field(default_factory=Catalogue)
    weights: Mapping[str, int] = field(default_factory=dict)
    """By `tenant/project`: how many turns it has in the queue where others have one; 1 for those not named."""


def resolve_by_system(name: str, port: int) -> list[str]:
    """What the system's resolver says. Raises RendererFileInvalid when it knows no such name."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise RendererFileInvalid(f"the name {name!r} has no address: {error}") from None
    addresses = {str(address[4][0]) for address in found}
    return sorted(f"[{each}]" if ":" in each else each for each in addresses)


def of_settings(settings: Settings, renderers: Sequence[RendererSettings]) -> Configuration:
    """Every model of the settings, made by the first renderer; the others keep the jobs they have."""
    configured = tuple(
        ConfiguredRenderer(
            name=each.name,
            dialect=each.dialect,
            credential=each.credential,
            api_key=each.api_key,
            replicas=(each.base_url,),
            webhook_secrets=each.webhook_secrets,
        )
        for each in renderers
    )
    if not renderers:
        return Configuration()
    routes = {model: Route((_offer_of_settings(settings, renderers[0], model),)) for model in settings.models}
    return Configuration(configured, _catalogue(routes))


def of_file(file: RendererFile, environment: Mapping[str, str], resolve: Resolve = resolve_by_system) -> Configuration:
    """What the renderer file says. Raises RendererFileInvalid when a secret is missing or a name has no address."""
    renderers = tuple(_configured(entry, environment, resolve) for entry in file.renderers)
    return Configuration(renderers, catalogue_of(file), MappingProxyType(file.weights_by_place))


def catalogue_of(file: RendererFile) -> Catalogue:
    """What a renderer file offers, and at which prices. Needs none of its secrets."""
    entries = {entry.name: entry for entry in file.renderers}
    models = dict.fromkeys(model.name for entry in file.renderers for model in entry.models)
    routes = {name: _route(name, file, entries) for name in models}
    return _catalogue(routes)


def _catalogue(routes: Mapping[str, Route]) -> Catalogue:
    text = price_table.text_of(routes)
    return Catalogue(MappingProxyType(routes), price_table.hash_of(text), text)


def _configured(entry: RendererEntry, environment: Mapping[str, str], resolve: Resolve) -> ConfiguredRenderer:
    replicas = entry.replicas
    if entry.dns is not None:
        dns = entry.dns
        replicas = tuple(f"{dns.scheme}://{each}:{dns.port}{dns.path}" for each in resolve(dns.name, dns.port))
    return ConfiguredRenderer(
        name=entry.name,
        dialect=entry.dialect,
        credential=entry.credential.name,
        api_key=secret_of(entry, environment),
        replicas=tuple(each.rstrip("/") for each in replicas),
        drained=frozenset(each.rstrip("/") for each in entry.drained),
        webhook_secrets=webhook_secrets_of(entry, environment),
        in_flight_max=entry.limits.in_flight_max,
        requests_per_minute_max=entry.limits.requests_per_minute_max,
        fields=frozenset(name for model in entry.models for name in model.fields),
        keeps_idempotency_keys=entry.idempotency_keys,
    )


def _route(model: str, file: RendererFile, entries: Mapping[str, RendererEntry]) -> Route:
    asked = file.routes.get(model)
    if asked is None:
        return Route(
            tuple(_offer(entry, each) for entry in file.renderers for each in entry.models if each.name == model)
        )
    steps = [(entries[step.renderer], step.weight) for step in asked.renderers]
    offers = tuple(
        replace(_offer(entry, each, weight), recovery=_recovery(entry, asked))
        for entry, weight in steps
        for each in entry.models
        if each.name == model
    )
    return Route(offers, asked.choice)


def _recovery(entry: RendererEntry, route: RouteEntry | None = None) -> Recovery:
    """What a renderer does about unknown outcomes and lost jobs; its route's word goes before its own."""
    default: OnLost = "resubmit" if entry.is_free else "hold"
    return Recovery(
        on_unknown=(route and route.on_unknown) or entry.on_unknown,
        unknown_after_s=entry.limits.unknown_after_s,
        on_lost=(route and route.on_lost) or entry.on_lost or default,
        lost_grace_s=entry.limits.lost_grace_s,
        lost_attempts_max=entry.limits.lost_attempts_max,
        idempotency_keys_s=entry.limits.idempotency_keys_s,
    )


def _offer(entry: RendererEntry, model: ModelEntry, weight: int = 1) -> ModelOffer:
    return ModelOffer(
        renderer=entry.name,
        credential=entry.credential.name,
        model=model.name,
        served_model=model.served_as or model.name,
        capabilities=capabilities_of(entry.dialect, frozenset(model.fields)),
        sizes=model.sizes,
        seconds=model.seconds,
        extension_seconds=model.extension_seconds,
        fields=frozenset(model.fields),
        prompt_chars_max=model.prompt_chars_max,
        prices=tuple(_price(each) for each in model.price),
        weight=weight,
        recovery=_recovery(entry),
    )


def _price(entry: PriceEntry) -> Price:
    return Price(
        unit=entry.unit,
        micro_per_unit=MappingProxyType(entry.micro_per_unit),
        currency=entry.currency,
        frames_per_second=entry.frames_per_second,
        p95_ms=MappingProxyType({tier: up_to_ms(seconds) for tier, seconds in entry.p95_by_tier.items()}),
        effective_from=entry.begins_at,
        source=entry.source,
    )


def _offer_of_settings(settings: Settings, renderer: RendererSettings, model: str) -> ModelOffer:
    capabilities = capabilities_of(renderer.dialect)
    return ModelOffer(
        renderer=renderer.name,
        credential=renderer.credential,
        model=model,
        served_model=model,
        capabilities=capabilities,
        sizes=settings.sizes,
        seconds=settings.seconds,
        fields=capabilities.fields,
        prompt_chars_max=settings.prompt_chars_max,
        prices=(LIST_PRICES[model],) if model in LIST_PRICES else (),
    )

"""Offers, as a configuration would make them."""

from dataclasses import replace
from typing import Any, Literal

from bickford_sora.decisions.catalogue import Catalogue, ModelOffer, Route
from bickford_sora.decisions.prices import LIST_PRICES
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Capabilities

PRICES_HASH = "c" * 64
NOTHING_BUT_CREATE = replace(CAPABILITIES, remix="none", edits=False, extensions=False)
BY_VIDEO = replace(NOTHING_BUT_CREATE, remix="video_reference")


def offer(renderer: str = "simulator", can: Capabilities = CAPABILITIES, **change: Any) -> ModelOffer:
    """What one renderer makes of sora-2."""
    offered: dict[str, Any] = {
        "renderer": renderer,
        "credential": "sim",
        "model": "sora-2",
        "served_model": "sora-2",
        "capabilities": can,
        "sizes": ("720x1280", "1280x720"),
        "seconds": ("4", "8"),
        "prices": (LIST_PRICES["sora-2"],),
    }
    return ModelOffer(**{**offered, **change})


def catalogue(*offers: ModelOffer, choice: Literal["order", "weight"] = "order") -> Catalogue:
    """These offers, one route for each model."""
    models = dict.fromkeys(each.model for each in offers)
    routes = {model: Route(tuple(each for each in offers if each.model == model), choice) for model in models}
    return Catalogue(routes, PRICES_HASH)

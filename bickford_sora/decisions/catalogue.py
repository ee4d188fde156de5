"""What may be asked for, and which renderers make it: the configuration as decisions see it. Pure.

Built in `bickford_sora.composition.gateway` from the renderer file, or from the settings where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from bickford_sora.renderers.port import Capabilities

Unit = Literal["second", "image", "frame", "output", "renderer_second"]
"""What is counted. Images are what some price pages call outputs; the last is the time the renderer works."""


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs, by resolution tier. Integer micro-units of `currency`."""

    unit: Unit
    micro_per_unit: Mapping[str, int]
    """By resolution tier (`prices.PIXELS_MAX`), `*` for every size."""
    currency: str = "USD"
    frames_per_second: int | None = None
    """What frames are counted at where a request does not say; None: not known."""
    p95_ms: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Of renderer seconds, by resolution tier: within how many milliseconds of work 95 of 100 outputs are made."""
    effective_from: datetime | None = None
    """From when on it holds; None: since ever."""
    source: str | None = None
    """Where the figure comes from, for people."""


OnUnknown = Literal["hold", "resubmit", "fail"]
"""What becomes of a submission whose outcome stays unknown."""
OnLost = Literal["hold", "resubmit", "fail"]
"""What becomes of a render whose job the renderer forgot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What is done about unknown outcomes and lost jobs. As it is here, nothing is paid for twice by itself."""

    on_unknown: OnUnknown = "hold"
    unknown_after_s: float = 900.0
    """How long the job is looked for, once the renderer's list must show it, before `on_unknown` holds; in seconds."""
    on_lost: OnLost = "hold"
    lost_grace_s: float = 30.0
    """How long the renderer must say that it does not know a job, before it is believed; in seconds."""
    idempotency_keys_s: float = 3600.0
    """How long a renderer that keeps idempotency keys surely keeps them, in seconds."""
    lost_attempts_max: int = 3
    """How many lost jobs of one render are made good by `on_lost: resubmit`; the next one ends it."""


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """What one renderer makes under a model's public name. Defaults are in `offers`."""

    renderer: str
    credential: str
    """Public name of the credential its jobs are made with."""
    model: str
    """The name clients ask for."""
    served_model: str
    """The renderer's own name of it."""
    capabilities: Capabilities
    sizes: tuple[str, ...]
    seconds: tuple[str, ...]
    extension_seconds: tuple[str, ...] = ("4", "8", "12", "16", "20")
    fields: frozenset[str] = frozenset()
    """Fields beyond the protocol that are let through: at most those the dialect understands."""
    prompt_chars_max: int = 32_000
    prices: tuple[Price, ...] = ()
    """What it costs, and from when on; none: not known."""
    weight: int = 1
    """Share of new renders where the route is weighted."""
    recovery: Recovery = Recovery()
    """What is done when nobody knows what became of a job."""


@dataclass(frozen=True, slots=True)
class Route:
    """The renderers of one model: asked in their order, or drawn by weight."""

    offers: tuple[ModelOffer, ...]
    choice: Literal["order", "weight"] = "order"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every model on offer. Empty: no renderer is configured."""

    routes: Mapping[str, Route] = field(default_factory=lambda: MappingProxyType({}))
    prices_hash: str = ""
    """Names the price table in every quote made from it."""
    prices_text: str = ""
    """The price table itself; see `price_table`."""

    def offer(self, model: str, renderer: str, credential: str) -> ModelOffer | None:
        """What this renderer offers under this name."""
        route = self.routes.get(model)
        offers = route.offers if route else ()
        return next((each for each in offers if (each.renderer, each.credential) == (renderer, credential)), None)

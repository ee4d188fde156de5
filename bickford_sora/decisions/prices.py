"""What a render is expected to cost: a built-in table of list prices, in US dollars per second of video.

Sample prices, last seen on the vendors' pages in November 2026; a price table of your own comes with governance.
Integer micro-units throughout; the one rounding is in `cost`.
"""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType

from bickford_sora.decisions.request import VideoRequest
from ledger.events import Money, Quote

CURRENCY = "USD"
_HD_PIXELS_MAX = 1280 * 720

PRICES_MICRO_PER_S: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "sora-2": MappingProxyType({"720p": 100_000, "1024p": 100_000}),
        "sora-2-pro": MappingProxyType({"720p": 300_000, "1024p": 500_000}),
    }
)
"""Millionths of a dollar per second of video, by model and resolution tier."""

PRICES_HASH = hashlib.sha256(
    json.dumps({model: dict(tiers) for model, tiers in PRICES_MICRO_PER_S.items()}, sort_keys=True).encode()
).hexdigest()
"""Names this table in every quote made from it."""


def quote(request: VideoRequest) -> Quote | None:
    """The expected cost, None when the table has no price for the model."""
    tiers = PRICES_MICRO_PER_S.get(request.model)
    if tiers is None:
        return None
    width, height = request.pixels
    per_second = tiers["720p" if width * height <= _HD_PIXELS_MAX else "1024p"]
    return Quote(cost=Money(amount_micro=cost(per_second, request.seconds), currency=CURRENCY), prices_hash=PRICES_HASH)


def cost(micro_per_second: int, seconds: str) -> int:
    """Micro-units for a length in seconds. Lengths are whole seconds, so nothing is rounded today."""
    return micro_per_second * int(seconds)

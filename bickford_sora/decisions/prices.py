"""What a render is expected to cost, from the price its offer names. Integer micro-units, rounded in `up` alone."""

from collections.abc import Mapping
from types import MappingProxyType

from bickford_sora.decisions.catalogue import ModelOffer, Price
from bickford_sora.decisions.request import VideoRequest, pixels
from ledger.events import Money, Quote

ANY_SIZE = "*"
"""The tier of every size."""
PIXELS_MAX: Mapping[str, int] = MappingProxyType(
    {
        "480p": 854 * 480,
        "720p": 1280 * 720,
        "1024p": 1792 * 1024,
        "1080p": 1920 * 1080,
        "4k": 3840 * 2160,
    }
)
"""The largest frame of each resolution tier."""

LIST_PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "sora-2": Price("second", MappingProxyType({"720p": 100_000, "1024p": 100_000})),
        "sora-2-pro": Price("second", MappingProxyType({"720p": 300_000, "1024p": 500_000})),
    }
)
"""Sample list prices in US dollars, last seen on the vendors' pages in November 2026; a renderer file has its own."""


def quote(request: VideoRequest, offer: ModelOffer, prices_hash: str) -> Quote | None:
    """The expected cost, None when no price is known or what is billed cannot be told beforehand."""
    price = offer.price
    if price is None:
        return None
    per_unit = _per_unit(price, request.size)
    quantity = quantity_milli(request, price)
    if per_unit is None or quantity is None:
        return None
    return Quote(
        cost=Money(amount_micro=cost(per_unit, quantity), currency=price.currency),
        prices_hash=prices_hash,
        unit=price.unit,
        quantity_milli=quantity,
    )


def quantity_milli(request: VideoRequest, price: Price) -> int | None:
    """How many units are billed, in thousandths, rounded up: frames and outputs that were asked for override seconds.

    None when frames are counted and nothing says how many there are a second.
    """
    outputs, frames = _number(request, "n") or 1, _number(request, "num_frames")
    per_second = _number(request, "fps") or price.frames_per_second
    if price.unit == "output":
        return 1000 * outputs
    if price.unit == "frame":
        if frames is None:
            if per_second is None:
                return None
            frames = int(request.seconds) * per_second
        return 1000 * frames * outputs
    if frames is None:
        return 1000 * int(request.seconds) * outputs
    return None if per_second is None else up(1000 * frames * outputs, per_second)


def cost(micro_per_unit: int, quantity_milli: int) -> int:
    """Micro-units for so many thousandths of a unit, rounded up: a reservation is never too small."""
    return up(micro_per_unit * quantity_milli, 1000)


def up(amount: int, divisor: int) -> int:
    """The quotient, rounded up: the one rounding there is."""
    return -(-amount // divisor)


def _per_unit(price: Price, size: str) -> int | None:
    """Of the smallest tier that holds a frame of this size."""
    width, height = pixels(size)
    held = [tier for tier, most in PIXELS_MAX.items() if tier in price.micro_per_unit and width * height <= most]
    tier = min(held, key=PIXELS_MAX.__getitem__) if held else ANY_SIZE
    return price.micro_per_unit.get(tier)


def _number(request: VideoRequest, name: str) -> int | None:
    value = request.fields.get(name)
    return value if isinstance(value, int) else None

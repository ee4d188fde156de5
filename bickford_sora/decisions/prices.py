"""What a render is expected to cost, from the price its offer names. Integer micro-units, rounded in `up` alone."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType

from bickford_sora.decisions.catalogue import ModelOffer, Price
from bickford_sora.decisions.request import VideoRequest, pixels
from ledger.events import Money, Quote, RenderIntent

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

FRAMES_PER_SECOND_ASSUMED = 16
"""Of engines that nobody says it of: the fewest that are common, so that a length is not taken for too short."""

EVER = datetime.min.replace(tzinfo=UTC)
"""Since when a price holds that says nothing of it."""
_SAMPLE = "sample list price, last seen on the vendor's pages in November 2026"

LIST_PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "sora-2": Price("second", MappingProxyType({"720p": 100_000, "1024p": 100_000}), source=_SAMPLE),
        "sora-2-pro": Price("second", MappingProxyType({"720p": 300_000, "1024p": 500_000}), source=_SAMPLE),
    }
)
"""Sample list prices in US dollars; a renderer file has its own."""


def in_force(prices: Iterable[Price], at: datetime) -> Price | None:
    """The newest of those that hold at a moment; None: none does yet."""
    begun = [each for each in prices if each.effective_from is None or each.effective_from <= at]
    return max(begun, key=lambda price: price.effective_from or EVER, default=None)


def quote(request: VideoRequest, offer: ModelOffer, prices_hash: str, at: datetime) -> Quote | None:
    """The expected cost at a moment, None when no price is known or what is billed cannot be told beforehand."""
    price = in_force(offer.prices, at)
    if price is None:
        return None
    tier = _tier(price.micro_per_unit, request.size)
    quantity = quantity_milli(request, price)
    if tier is None or quantity is None:
        return None
    per_unit = price.micro_per_unit[tier]
    return Quote(
        cost=Money(amount_micro=cost(per_unit, quantity), currency=price.currency),
        prices_hash=prices_hash,
        unit=price.unit,
        quantity_milli=quantity,
        micro_per_unit=per_unit,
        tier=tier,
    )


def asked_for(intent: RenderIntent) -> VideoRequest:
    """As much of what was asked for as a price depends on."""
    return VideoRequest("", intent.model, intent.seconds, intent.size, intent.operation, intent.fields)


def quantity_milli(request: VideoRequest, price: Price) -> int | None:
    """How many units are billed, in thousandths, rounded up: frames and outputs that were asked for override seconds.

    None when frames are counted and nothing says how many there are a second, or when the renderer's time is and
    nothing says how long it works on such a size.
    """
    outputs = _number(request, "n") or 1
    match price.unit:
        case "output" | "image":
            return 1000 * outputs
        case "renderer_second":
            tier = _tier(price.p95_ms, request.size)
            return None if tier is None else price.p95_ms[tier] * outputs
        case "frame":
            frames = _frames(request, price)
            return None if frames is None else 1000 * frames * outputs
        case "second":
            return _seconds_milli(request, price, outputs)


def length_s(request: VideoRequest, offer: ModelOffer) -> int:
    """How long each output is, in whole seconds: those asked for, or more where so many frames take longer."""
    frames, asked = _number(request, "num_frames"), int(request.seconds)
    if frames is None:
        return asked
    per_second = _number(request, "fps") or min(_known_frames_per_second(offer), default=FRAMES_PER_SECOND_ASSUMED)
    return max(asked, up(frames, per_second))


def _known_frames_per_second(offer: ModelOffer) -> Iterable[int]:
    return (each.frames_per_second for each in offer.prices if each.frames_per_second)


def _frames(request: VideoRequest, price: Price) -> int | None:
    frames, per_second = _number(request, "num_frames"), _number(request, "fps") or price.frames_per_second
    if frames is not None or per_second is None:
        return frames
    return int(request.seconds) * per_second


def _seconds_milli(request: VideoRequest, price: Price, outputs: int) -> int | None:
    frames, per_second = _number(request, "num_frames"), _number(request, "fps") or price.frames_per_second
    if frames is None:
        return 1000 * int(request.seconds) * outputs
    return None if per_second is None else up(1000 * frames * outputs, per_second)


def cost(micro_per_unit: int, quantity_milli: int) -> int:
    """Micro-units for so many thousandths of a unit, rounded up: a reservation is never too small."""
    return up(micro_per_unit * quantity_milli, 1000)


def up(amount: int, divisor: int) -> int:
    """The quotient, rounded up: the one rounding there is."""
    return -(-amount // divisor)


def up_to_ms(seconds: float) -> int:
    """Seconds as milliseconds, rounded up to whole ones, of the number as it was written."""
    return int((Decimal(str(seconds)) * 1000).to_integral_value(ROUND_CEILING))


def _tier(tiers: Collection[str], size: str) -> str | None:
    """The smallest of these tiers that holds a frame of this size; None: none does."""
    width, height = pixels(size)
    held = [tier for tier, most in PIXELS_MAX.items() if tier in tiers and width * height <= most]
    tier = min(held, key=PIXELS_MAX.__getitem__) if held else ANY_SIZE
    return tier if tier in tiers else None


def _number(request: VideoRequest, name: str) -> int | None:
    value = request.fields.get(name)
    return value if isinstance(value, int) else None

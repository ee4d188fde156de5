"""What a render is settled at: by the price it was allowed at, for what its renderer says it made. Pure.

Only what can be believed of a report counts; for the rest, what was quoted stands:

- What the renderer says it charged, in the currency of the quote, goes before everything else.
- Frames that were asked for are compared with frames, else seconds with seconds. Engines add frames to make their
  count come out: less than one second more than what was asked for is not counted.
- What servers say of the length of an extension may be the segment's or the whole video's, so it is not looked at.
"""

from bickford_sora.decisions.prices import cost, up
from ledger.events import Money, Quote, RenderIntent, Reported

SURPLUS_MS = 1_000
"""From how much more than what was asked for on the length counts, in milliseconds."""

AMOUNT_MICRO_MAX = 10**15
"""Most that a report can come to, in millionths: a thousand million of the currency's units. More is not believed."""


def due(quote: Quote, intent: RenderIntent, reported: Reported | None) -> Money:
    """What is to be paid, at the price of the quote, whatever the price is by now."""
    amount = _charged_micro(quote, intent, reported)
    return quote.cost if amount > AMOUNT_MICRO_MAX else Money(amount_micro=amount, currency=quote.cost.currency)


def is_beyond(
    quote: Quote, now: Quote | None, intent: RenderIntent, reported: Reported | None, *, factor: float
) -> bool:
    """Whether the charge, believed or not, is more than `factor` times the quote: so much that a person has to look.

    One that fits what would be quoted `now` (None: nothing would be) is not: somebody has put a wrong price right.
    """
    return all(
        _charged_micro(each, intent, reported) > factor * each.cost.amount_micro
        for each in (quote, now)
        if each is not None
    )


def _charged_micro(quote: Quote, intent: RenderIntent, reported: Reported | None) -> int:
    if reported is None:
        return quote.cost.amount_micro
    if reported.cost is not None and reported.cost.currency == quote.cost.currency:
        return reported.cost.amount_micro
    quantity = made_milli(quote, intent, reported)
    if quantity is None or quantity == quote.quantity_milli or quote.micro_per_unit is None:
        return quote.cost.amount_micro
    return cost(quote.micro_per_unit, quantity)


def made_milli(quote: Quote, intent: RenderIntent, reported: Reported) -> int | None:
    """How many units were made, in thousandths; None where the quote does not say what was expected."""
    expected = quote.quantity_milli
    if expected is None or quote.unit == "renderer_second":
        return expected if reported.inference_ms is None else reported.inference_ms
    asked = _asked(intent, "n") or 1
    outputs = reported.outputs or asked
    if quote.unit in {"output", "image"}:
        return 1000 * outputs
    if quote.unit == "frame" and reported.frames is not None:
        return 1000 * reported.frames * outputs
    made, wanted = _length(intent, reported)
    return up(expected * outputs * made, asked * wanted)


def _length(intent: RenderIntent, reported: Reported) -> tuple[int, int]:
    """How long each output is and was to be, in one and the same unit."""
    frames = _asked(intent, "num_frames")
    if frames is not None:
        return reported.frames or frames, frames
    wanted = 1000 * int(intent.seconds)
    made = reported.duration_ms
    if made is None or intent.operation == "extend" or wanted <= made < wanted + SURPLUS_MS:
        return wanted, wanted
    return made, wanted


def _asked(intent: RenderIntent, name: str) -> int | None:
    value = intent.fields.get(name)
    return value if isinstance(value, int) and value > 0 else None

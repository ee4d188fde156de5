"""Who else can make a render whose renderer certainly did not take it. Pure."""

from collections.abc import Collection
from datetime import datetime

from bickford_sora.decisions.catalogue import Catalogue, ModelOffer
from bickford_sora.decisions.offers import prompt_chars_max
from bickford_sora.decisions.prices import quote
from bickford_sora.decisions.request import VideoRequest
from bickford_sora.decisions.routing import IsStopped
from bickford_sora.decisions.submission import Offered
from ledger.events import Quote, RenderIntent
from ledger.render import Render


def next_offer(
    render: Render,
    prompt_chars: int,
    catalogue: Catalogue,
    tried: Collection[tuple[str, str]],
    is_stopped: IsStopped,
    *,
    at: datetime,
) -> Offered | None:
    """The next of its route that takes all of it and is not dearer, `at` this moment, than what was allowed.

    None: nobody.

    A render that needs its source's job stays where that is.
    """
    route, allowed = catalogue.routes.get(render.intent.model), render.allowed
    if route is None or allowed is None or allowed.replica is not None:
        return None
    for offer in route.offers:
        if (offer.renderer, offer.credential) in tried or is_stopped(offer.renderer, offer.credential, offer.model):
            continue
        cost = quote(_request(render.intent), offer, catalogue.prices_hash, at)
        if _takes(offer, render.intent, prompt_chars) and _is_no_dearer(cost, allowed.quote):
            return Offered(offer.renderer, offer.credential, offer.served_model, cost)
    return None


def _takes(offer: ModelOffer, intent: RenderIntent, prompt_chars: int) -> bool:
    can = offer.capabilities
    operations = {
        "create": True,
        "remix": can.remix == "video_reference",
        "edit": can.edits,
        "extend": can.extensions,
    }
    lengths = offer.extension_seconds if intent.operation == "extend" else offer.seconds
    return (
        operations[intent.operation]
        and intent.seconds in lengths
        and intent.size in offer.sizes
        and {*intent.fields, *intent.text_fields} <= offer.fields
        and prompt_chars <= prompt_chars_max(offer)
    )


def _is_no_dearer(cost: Quote | None, allowed: Quote | None) -> bool:
    if cost is None or allowed is None:
        return cost is None and allowed is None
    same_currency = cost.cost.currency == allowed.cost.currency
    return same_currency and cost.cost.amount_micro <= allowed.cost.amount_micro


def _request(intent: RenderIntent) -> VideoRequest:
    """As much of what was asked for as a price depends on."""
    return VideoRequest("", intent.model, intent.seconds, intent.size, intent.operation, intent.fields)

"""Who else can make a render whose renderer certainly did not take it. Pure."""

from collections.abc import Collection
from datetime import datetime

from bickford_sora.decisions.catalogue import Catalogue, ModelOffer
from bickford_sora.decisions.offers import prompt_chars_max
from bickford_sora.decisions.prices import asked_for, quote
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
        cost = quote(asked_for(render.intent), offer, catalogue.prices_hash, at)
        if _takes(offer, render.intent, prompt_chars) and _is_no_dearer(cost, allowed.quote):
            return _offered(offer, cost)
    return None


def renamed_offer(render: Render, prompt_chars: int, catalogue: Catalogue, *, at: datetime) -> Offered | None:
    """The same renderer, where it is now asked for the model by another name than was recorded. None: it is not.

    For a render that was refused for its model: `served_as` was put right since it was accepted.
    """
    intent, allowed = render.intent, render.allowed
    offer = catalogue.offer(intent.model, allowed.renderer, allowed.credential) if allowed else None
    if allowed is None or offer is None or allowed.replica is not None:
        return None
    cost = quote(asked_for(intent), offer, catalogue.prices_hash, at)
    if offer.served_model == (allowed.served_model or intent.model) or not _takes(offer, intent, prompt_chars):
        return None
    return _offered(offer, cost) if _is_no_dearer(cost, allowed.quote) else None


def _offered(offer: ModelOffer, cost: Quote | None) -> Offered:
    return Offered(offer.renderer, offer.credential, offer.served_model, cost)


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

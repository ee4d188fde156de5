"""Where a render goes, among the offers that take all of it. Pure: what is stopped, and the draw, are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bickford_sora.decisions.catalogue import ModelOffer
from bickford_sora.decisions.offers import Candidates
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.errors import RouteStopped

IsStopped = Callable[[str, str, str], bool]
"""Whether a renderer, with this credential, takes nothing of this model until an operator has looked at it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a render goes, at whose price."""

    offer: ModelOffer
    replica: str | None = None
    """The only replica that can take it, as the one that holds the source; None: any."""
    prices_hash: str = ""


def choose(found: Candidates, is_stopped: IsStopped, draw: int) -> Destination:
    """The one that is asked: who holds the source, else the first of the route, or the one drawn by weight.

    `draw` is any number as large as the weights together. Raises RouteStopped when all of them are stopped.
    """
    ready = [each for each in found.offers if not is_stopped(each.renderer, each.credential, each.model)]
    if not ready:
        raise RouteStopped(
            f"Every renderer of {found.model!r} that could take this is stopped: it refused our credential, or the "
            "model. An operator has to look at it. Nothing was recorded.",
            code="route_stopped",
        )
    if found.holder in ready and _needs_job(found.request, found.holder):
        return Destination(found.holder, found.holding_replica, found.prices_hash)
    offer = ready[0] if found.route.choice == "order" else _drawn(ready, draw)
    return Destination(offer, prices_hash=found.prices_hash)


def _needs_job(request: ParsedRequest, holder: ModelOffer | None) -> bool:
    """Whether it is made from the renderer's own copy of the source, and not from ours."""
    return holder is not None and (request.operation != "remix" or holder.capabilities.remix == "route")


def _drawn(ready: Sequence[ModelOffer], draw: int) -> ModelOffer:
    left = draw % max(1, sum(each.weight for each in ready))
    for each in ready:
        left -= each.weight
        if left < 0:
            return each
    return ready[0]  # nobody has any weight

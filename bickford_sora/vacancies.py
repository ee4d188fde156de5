"""What the renderers take now: the room submissions are claimed by."""

from collections.abc import Callable
from datetime import timedelta

from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.configuring import Configuring
from bickford_sora.decisions.catalogue import Catalogue, Route
from bickford_sora.renderers.fleet import Fleet
from bickford_sora.stops import Stops
from ledger.clock import Clock
from projections.leases import Room, Rooms

RENDERER_STOPPED = "renderer_stopped"


def rooms_of(
    configuring: Configuring,
    fleet: Fleet[ConfiguredRenderer],
    stops: Stops,
    *,
    clock: Clock,
    render_deadline_s: float,
) -> Callable[[], Rooms]:
    """Tells, whenever it is called, what is configured and reachable then. Raises ledger.errors.Unavailable."""

    def rooms() -> Rooms:
        catalogue = configuring.catalogue()
        return Rooms(
            rooms=tuple(_room(each, catalogue, fleet, stops) for each in configuring.renderers),
            weights=configuring.weights(),
            overdue=clock() - timedelta(seconds=render_deadline_s),
        )

    return rooms


def _room(each: ConfiguredRenderer, catalogue: Catalogue, fleet: Fleet[ConfiguredRenderer], stops: Stops) -> Room:
    vacancy = fleet.vacancy(each.name, each.credential)
    submissions_max, closed = vacancy.submissions_max, vacancy.closed
    if closed is None and _is_stopped(each, catalogue, stops):
        submissions_max, closed = 0, RENDERER_STOPPED
    if closed is not None and submissions_max == 0 and _has_others(each, catalogue):
        # Each render is looked at, and goes on to the next of its route: it takes no place here.
        return Room(renderer=each.name, closed=closed)
    return Room(
        renderer=each.name,
        in_flight_max=each.in_flight_max,
        submissions_per_minute_max=each.requests_per_minute_max,
        submissions_max=submissions_max,
        closed=closed,
    )


def _is_stopped(each: ConfiguredRenderer, catalogue: Catalogue, stops: Stops) -> bool:
    """Whether it takes none of its models until an operator has looked at it."""
    models = [model for model, route in catalogue.routes.items() if _offers(route, each)]
    return bool(models) and all(stops.is_stopped(each.name, each.credential, model) for model in models)


def _has_others(each: ConfiguredRenderer, catalogue: Catalogue) -> bool:
    """Whether somebody else makes one of its models."""
    return any(
        _offers(route, each) and any(offer.renderer != each.name for offer in route.offers)
        for route in catalogue.routes.values()
    )


def _offers(route: Route, each: ConfiguredRenderer) -> bool:
    return any((offer.renderer, offer.credential) == (each.name, each.credential) for offer in route.offers)

"""The application: routes, and what surrounds every request."""

from fastapi import FastAPI

from bickford_sora.http import (
    api_keys,
    approvals,
    audit,
    batches,
    budgets,
    changes,
    characters,
    content,
    edits,
    erasures,
    health,
    holds,
    invoices,
    lineages,
    metrics,
    packs,
    policies,
    prices,
    proof,
    queue,
    quotes,
    refusals,
    reviews,
    spend,
    streams,
    threads,
    unknown,
    videos,
    webhook_endpoints,
    webhooks,
)
from bickford_sora.http.gate import Burden, Gate
from bickford_sora.http.house import House
from bickford_sora.http.request_scope import RequestScope
from bickford_sora.http.webhook_taker import WebhookTaker

_DESCRIPTION = (
    "A drop-in Videos API in front of a renderer. Every step of a render is a fact in a ledger that can be replayed, "
    "questioned and checked."
)


def create_app(house: House) -> FastAPI:
    """The ASGI application that serves `house`. It opens and closes nothing: whoever built the house does."""
    app = without_routes(house)
    add_routes(app)
    return app


def without_routes(house: House) -> FastAPI:
    """The application but for its routes: what surrounds every request, and the pages that describe it."""
    app = FastAPI(
        title="Bickford Sora",
        summary="The Videos API, governed and recorded",
        description=_DESCRIPTION,
        redirect_slashes=False,  # a redirect would name whatever host the client claims
        redoc_url=None,
    )
    app.state.house = house
    refusals.register(app)
    burden = Burden(house.limits.requests_max, house.limits.bodies_bytes_max)
    app.add_middleware(Gate, burden=burden)
    app.add_middleware(RequestScope, new_id=house.new_id, answered=house.metrics.answered, tracing=house.tracing)
    app.state.taker = WebhookTaker(house, burden)
    return app


def add_routes(app: FastAPI) -> None:
    """Adds every route of the API."""
    # What comes most comes first: whatever comes before it is tried for each of these requests.
    videos.add_create_to(app.router)
    webhooks.add_to(app.router)
    app.include_router(videos.collection)
    for module in (
        api_keys,
        approvals,
        audit,
        packs,
        batches,
        budgets,
        changes,
        characters,
        edits,
        erasures,
        holds,
        unknown,
        quotes,
        reviews,
        videos,
        lineages,
        content,
        policies,
        prices,
        spend,
        invoices,
        proof,
        queue,
        streams,
        threads,
        webhook_endpoints,
        health,
        metrics,
    ):
        app.include_router(module.router)

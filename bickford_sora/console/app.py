"""The console on top of the HTTP routes: its pages, its files, and what a browser is told of errors."""

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from bickford_sora.console import live, refusing, signing_in, signing_in_by_oidc, static
from bickford_sora.console.console import Console
from bickford_sora.console.pages import (
    approvals,
    audit,
    batches,
    doubts,
    files,
    health,
    lineage,
    list_renders,
    new_render,
    one_render,
    policy,
    proof,
    render_actions,
    settings,
    spend,
)
from bickford_sora.http import refusals

PAGES = (
    list_renders.pages,
    one_render.pages,
    render_actions.pages,
    proof.pages,
    audit.pages,
    health.pages,
    doubts.pages,
    policy.pages,
    settings.pages,
    approvals.pages,
    new_render.pages,
    lineage.pages,
    batches.pages,
    spend.pages,
)
"""Every module of pages."""


def with_console(app: FastAPI, console: Console) -> FastAPI:
    """The same application with the console's pages beside its routes."""
    app.state.console = console
    signing = (signing_in.router, signing_in_by_oidc.router)
    routers = (*signing, static.router, live.router, files.router, proof.router, spend.router)
    for router in routers:
        app.include_router(router)
    for pages in PAGES:
        app.include_router(pages.twins)
    for pages in PAGES:
        app.include_router(pages.router)
    app.add_exception_handler(HTTPException, _routing)
    return app


async def _routing(request: Request, error: Exception) -> Response:
    page = refusing.unknown_page(request, error)
    return page if page is not None else await refusals.routing(request, error)

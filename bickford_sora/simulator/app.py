"""The simulator's HTTP face: the Videos API under ``/v1``, and control routes beside it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bickford_sora.simulator.control import control_router
from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.problems import Problem
from bickford_sora.simulator.simulator import Simulator
from bickford_sora.simulator.videos import VideosApi


def make_app(simulator: Simulator) -> FastAPI:
    """The ASGI application. Serve it with `BreakableProtocol`, or faults that break connections cannot strike."""

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        await simulator.open()
        try:
            yield
        finally:
            await simulator.close()

    async def answer_problem(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, Problem), "registered for Problem only"  # noqa: S101 - a programmer's mistake
        return simulator.flavour.refused(problem)

    async def answer_http_exception(request: Request, exception: Exception) -> Response:
        """Routing and body errors of the framework."""
        assert isinstance(exception, HTTPException), "registered for HTTPException only"  # noqa: S101 - as above
        problem = Problem(exception.status_code, str(exception.detail))
        return simulator.flavour.unrouted(problem, request)

    async def answer_nobody(_: Request, _gone: Exception) -> Response:
        """A client that left in the middle of its request, as ours does when it is too late to send the rest."""
        return Response(status_code=HTTPStatus.BAD_REQUEST)

    app = FastAPI(title="Bickford Sora simulator", openapi_url=None, lifespan=working)
    app.add_middleware(RequestIds)
    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(ClientDisconnect, answer_nobody)
    app.include_router(_videos_router(simulator))
    app.include_router(control_router(simulator))
    return app


def _videos_router(simulator: Simulator) -> APIRouter:
    """The routes its flavour has; the others are answered as paths that nobody knows."""
    flavour = simulator.flavour

    def authenticate(request: Request) -> None:
        given = (flavour.key_of(request.headers) or "").encode()
        if not secrets.compare_digest(given, simulator.settings.api_key.encode()):
            raise Problem(401, "Incorrect API key provided.", code="invalid_api_key")

    api = VideosApi(simulator)
    routes: list[tuple[Operation, str, str, Callable[..., Awaitable[Response]]]] = [
        (Operation.CREATE, "POST", "/videos", api.create),
        (Operation.LIST, "GET", "/videos", api.list_page),
        (Operation.EDIT, "POST", "/videos/edits", api.edit),
        (Operation.EXTEND, "POST", "/videos/extensions", api.extend),
        (Operation.CHARACTER, "POST", "/videos/characters", api.create_character),
        (Operation.CHARACTER, "GET", "/videos/characters/{character_id}", api.character),
        (Operation.RETRIEVE, "GET", "/videos/{video_id}", api.retrieve),
        (Operation.DELETE, "DELETE", "/videos/{video_id}", api.delete),
        (Operation.CONTENT, "GET", "/videos/{video_id}/content", api.content),
        (Operation.REMIX, "POST", "/videos/{video_id}/remix", api.remix),
    ]
    router = APIRouter(prefix=flavour.prefix, dependencies=[Depends(authenticate)])
    if flavour.models_path is not None:
        router.add_api_route(flavour.models_path, api.models, methods=["GET"])
    for operation, method, path, handler in routes:
        if operation in flavour.operations:
            router.add_api_route(path, handler, methods=[method])
    return router


class RequestIds:
    """Gives every answer an ``x-request-id`` of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_id = f"req_{secrets.token_hex(16)}".encode()
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        await self._app(scope, receive, send_with_id)

"""The simulator's HTTP face: the Videos API under ``/v1``, and control routes beside it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bickford_sora.simulator.control import control_router
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

    app = FastAPI(title="Bickford Sora simulator", openapi_url=None, lifespan=working)
    app.add_middleware(RequestIds)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.include_router(_videos_router(simulator))
    app.include_router(control_router(simulator))
    return app


def _videos_router(simulator: Simulator) -> APIRouter:
    def authenticate(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given, expected = key.strip().encode(), simulator.settings.api_key.encode()
        if scheme.lower() != "bearer" or not secrets.compare_digest(given, expected):
            raise Problem(401, "Incorrect API key provided.", code="invalid_api_key")

    api = VideosApi(simulator)
    router = APIRouter(prefix="/v1/videos", dependencies=[Depends(authenticate)])
    router.add_api_route("", api.create, methods=["POST"])
    router.add_api_route("", api.list_page, methods=["GET"])
    router.add_api_route("/edits", api.edit, methods=["POST"])
    router.add_api_route("/extensions", api.extend, methods=["POST"])
    router.add_api_route("/characters", api.create_character, methods=["POST"])
    router.add_api_route("/characters/{character_id}", api.character, methods=["GET"])
    router.add_api_route("/{video_id}", api.retrieve, methods=["GET"])
    router.add_api_route("/{video_id}", api.delete, methods=["DELETE"])
    router.add_api_route("/{video_id}/content", api.content, methods=["GET"])
    router.add_api_route("/{video_id}/remix", api.remix, methods=["POST"])
    return router


async def _answer_problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem), "registered for Problem only"  # noqa: S101 - a programmer's mistake
    return problem.as_response()


async def _answer_http_exception(request: Request, exception: Exception) -> Response:
    """Routing and body errors of the framework, told in the protocol's shape."""
    assert isinstance(exception, HTTPException), "registered for HTTPException only"  # noqa: S101 - as above
    if exception.status_code == HTTPStatus.NOT_FOUND:
        return Problem(404, f"Invalid URL ({request.method} {request.url.path})").as_response()
    return Problem(exception.status_code, exception.detail).as_response()


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

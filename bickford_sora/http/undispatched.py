"""Routes that are asked so often that what the framework does for a route costs more than the route.

They are described as every other is, with their roles, and tried before all others. Their handler gets the request as
it is, and looks itself at what it would have depended on.
"""

from collections.abc import Awaitable, Callable
from http import HTTPMethod
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class Undispatched(APIRoute):
    """A route for POST without dependencies, validation or a response model."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a POST; anything else is refused as it is elsewhere."""
        if scope["method"] != HTTPMethod.POST:
            await super().handle(scope, receive, send)
            return
        response: Response = await self.endpoint(Request(scope, receive), **scope["path_params"])
        await response(scope, receive, send)


def add_first(router: APIRouter, path: str, handler: Callable[..., Awaitable[Response]], **described: Any) -> None:
    """Adds a route before all others. `described` as in `APIRouter.add_api_route`."""
    router.add_api_route(path, handler, methods=[HTTPMethod.POST], route_class_override=Undispatched, **described)
    router.routes.insert(0, router.routes.pop())

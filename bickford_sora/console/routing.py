"""How pages and their actions become routes.

A page is an asynchronous function from what is asked to a model. It is answered twice: as HTML, by a template, and as
JSON at the same path with `.json` behind it. An action is a POST of a form; it changes something through what the HTTP
routes call, and leads to the page that shows it.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.params import Depends as Dependency
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from bickford_sora.console import refusing, rendering
from bickford_sora.console.acting import TheAct
from bickford_sora.console.addresses import inside
from bickford_sora.console.console import TheVisit, opened_by

TWIN = ".json"
READ_ONLY = frozenset({"GET", "HEAD"})
"""Methods that record nothing: whatever else was under way may be recorded when the ledger's answer is lost."""

View = TypeVar("View", bound=Callable[..., Awaitable[BaseModel]])
Does = TypeVar("Does", bound=Callable[..., Awaitable[str]])


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    records = True
    """Whether what is sent here by POST is put on record: then a lost answer leaves open whether it was."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what it raises told as a page."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except ClientDisconnect:
                raise
            except Exception as error:  # noqa: BLE001 - what is not known is logged, and told as such
                return refusing.told(request, error, records=self.records and request.method not in READ_ONLY)

        return answered


class LookRoute(PageRoute):
    """A route that answers a form, and puts nothing on record."""

    records = False


class Pages:
    """The pages and actions of one module."""

    def __init__(self) -> None:
        self.router = APIRouter(route_class=PageRoute, include_in_schema=False)
        self.twins = APIRouter(include_in_schema=False)
        """Answered before the pages: the path of a page with an id in it would match as well."""

    def page(self, path: str, template: str, *, takes: Dependency) -> Callable[[View], View]:
        """Registers a view: what it returns is shown by `template`, to whoever routes that take this are for."""

        def register(view: View) -> View:
            async def html(visit: TheVisit, page: Annotated[BaseModel, Depends(view)]) -> Response:
                return rendering.page(visit, template, page)

            async def twin(page: Annotated[BaseModel, Depends(view)]) -> Response:
                return Response(page.model_dump_json(), media_type="application/json")

            self.router.add_api_route(path, html, dependencies=[opened_by(takes)], name=view.__name__)
            self.twins.add_api_route(path + TWIN, twin, dependencies=[opened_by(takes)], name=view.__name__)
            return view

        return register

    def part(self, path: str, template: str, *, takes: Dependency) -> Callable[[View], View]:
        """Registers a part of a page, which is fetched by itself to be put in the place of an older one."""

        def register(view: View) -> View:
            async def html(visit: TheVisit, part: Annotated[BaseModel, Depends(view)]) -> Response:
                return rendering.part(visit, template, part)

            self.router.add_api_route(path, html, dependencies=[opened_by(takes)], name=view.__name__)
            return view

        return register

    def preview(self, path: str, template: str, *, takes: Dependency) -> Callable[[View], View]:
        """Registers a part of a page that says what a form leads to. It is sent as the form is; it does nothing."""

        def register(view: View) -> View:
            async def html(visit: TheVisit, part: Annotated[BaseModel, Depends(view)]) -> Response:
                return rendering.part(visit, template, part)

            self.router.add_api_route(
                path,
                html,
                methods=["POST"],
                dependencies=[opened_by(takes)],
                name=view.__name__,
                route_class_override=LookRoute,
            )
            return view

        return register

    def action(self, path: str, *, takes: Dependency, records: bool = True) -> Callable[[Does], Does]:
        """Registers what a form does. It returns where the browser goes next.

        The form is read, and where it is from is checked, before it does anything (`bickford_sora.console.acting`).
        `records`: whether it puts something on record.
        """

        def register(does: Does) -> Does:
            async def done(act: TheAct, leads_to: Annotated[str, Depends(does)]) -> Response:
                if "hx-request" in act.visit.request.headers:
                    return Response(status_code=204, headers={"hx-redirect": inside(leads_to)})
                return RedirectResponse(inside(leads_to), status_code=303)

            self.router.add_api_route(
                path,
                done,
                methods=["POST"],
                dependencies=[opened_by(takes)],
                name=does.__name__,
                route_class_override=PageRoute if records else LookRoute,
            )
            return does

        return register

    def answer(self, path: str, template: str, *, takes: Dependency) -> Callable[[View], View]:
        """Registers what a form does where the answer is a page of its own, at no address to come back to.

        A secret that is shown once.
        """

        def register(does: View) -> View:
            async def done(act: TheAct, model: Annotated[BaseModel, Depends(does)]) -> Response:
                return rendering.page(act.visit, template, model)

            dependencies = [opened_by(takes)]
            self.router.add_api_route(path, done, methods=["POST"], dependencies=dependencies, name=does.__name__)
            return does

        return register

"""What the pages work with, and how they get at it: the console, and one visit to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol, TypeVar, cast

import structlog
from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from bickford_sora.console import cookies
from bickford_sora.console.addresses import HOME
from bickford_sora.console.attempts import Attempts
from bickford_sora.console.commands import COMMANDS_MAX, Commands
from bickford_sora.console.operations import Operations
from bickford_sora.console.sessions import OfKey, OfPerson, Session, Sessions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.errors import Unauthorized
from bickford_sora.http.crossing import Crossing
from bickford_sora.http.house import House, Order, Undertaking, authenticated
from bickford_sora.http.links import Links
from bickford_sora.http.roles import Takes
from bickford_sora.oidc.code_flow import CodeFlow
from bickford_sora.oidc.people import Person, Place
from ledger.clock import Clock
from ledger.events.governance import Role
from projections.renders import Found, Wanted

Answer = TypeVar("Answer")

ISSUER_CALLS_MAX = 8
"""Calls to the issuer that one process makes at the same time."""


class RendersQuery(Protocol):
    """Renders by whatever they can be asked for. Errors: `ledger.errors.Unavailable` when the database is away."""

    def page(self, wanted: Wanted, /, *, after: str | None, limit: int) -> Found:
        """The renders that match, in the order that is wanted, behind `after`."""

    def some(self, tenant: str, project: str | None, video_ids: list[str], /) -> Found:
        """Those of these renders that are known, the last asked for first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Everything the pages use: the house of the HTTP routes, and what people need beside it."""

    house: House
    sessions: Sessions
    clock: Clock
    renders: RendersQuery
    attempts: Attempts
    """Sign-ins that failed."""
    exchanges_in_vain: Attempts
    """Sign-ins that failed after the issuer was asked for them."""
    operations: Operations
    commands: Commands
    catalogue: Callable[[], Catalogue]
    """What is offered now."""
    sign_in: CodeFlow | None = None
    """How people sign in by an issuer; None: by API key alone."""
    takes_api_keys: bool = True
    """Whether people sign in by API key."""
    asking_issuer: Crossing = field(default_factory=lambda: Crossing(ISSUER_CALLS_MAX))
    """Threads that wait for the issuer: nothing else waits with them."""
    exporting: Crossing = field(default_factory=lambda: Crossing(COMMANDS_MAX))
    """Threads that wait for exports to begin: nothing else waits with them."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is known."""

    request: Request
    console: Console
    caller: Caller
    session: Session | None
    """None: it came with an API key, as requests for JSON may."""

    @property
    def house(self) -> House:
        """What the HTTP routes work with."""
        return self.console.house

    @property
    def now(self) -> datetime:
        """The time of the answer."""
        return self.console.clock()

    @property
    def here(self) -> str:
        """The address of this page, to come back to."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def origin(self) -> str:
        """Where clients reach this server, without a path."""
        return self.links.base_url or ""

    @property
    def twin(self) -> str:
        """The address of the same as JSON."""
        url = self.request.url
        return f"{url.path}.json?{url.query}" if url.query else f"{url.path}.json"

    def is_at(self, path: str) -> bool:
        """Whether this page is that one, or below it."""
        here = self.request.url.path if self.request.url.path != "/" else HOME
        return here == path or here.startswith(f"{path}/")

    @property
    def csrf(self) -> str:
        """What a form has to bring back."""
        return self.console.sessions.csrf(self.session) if self.session else ""

    @property
    def person(self) -> Person | None:
        """Who is signed in by the issuer; None: whoever has the API key."""
        return self.session.who.person if self.session and isinstance(self.session.who, OfPerson) else None

    @property
    def place(self) -> Place | None:
        """Where this person works now."""
        return self.session.who.place if self.session and isinstance(self.session.who, OfPerson) else None

    @property
    def places(self) -> list[Place]:
        """Where this person may work; none for an API key, which has one place."""
        flow, person = self.console.sign_in, self.person
        return flow.people.places(person) if flow is not None and person is not None else []

    @property
    def links(self) -> Links:
        """What makes links to files."""
        return self.house.links.reached_at(str(self.request.base_url))

    def may(self, *roles: Role) -> bool:
        """Whether the caller has one of these roles: what it may not do is not offered."""
        return bool(self.caller.roles.intersection(roles))

    @property
    def runs_this(self) -> bool:
        """Whether the caller spans the tenant that runs this installation: commands and replicas are its own."""
        return self.caller.everywhere and self.caller.tenant == self.console.operations.tenant

    async def read(self, function: Callable[["Visit"], Answer]) -> Answer:
        """What `function` of this visit returns or raises, behind the crossing for lists."""
        return await self.house.listing.run(function, self)

    def order(self, key: str | None = None) -> Order:
        """Asking for something to be done, with the Idempotency-Key that a form carries."""
        undertaking = cast("Undertaking", self.request.state.undertaking)
        origin = undertaking.origin(self.caller)
        return Order(self.house, self.caller, lambda: self.links, origin, key)


@dataclass(frozen=True, slots=True)
class Opens:
    """A page's dependency: the visitor has one of these roles, or is refused with RoleMissing."""

    roles: tuple[Role, ...]

    async def __call__(self, visit: "TheVisit") -> None:
        """Raises Unauthorized for nobody who is known, RoleMissing for somebody without the roles."""
        visit.caller.check(*self.roles)


def opened_by(takes: Dependency) -> Dependency:
    """What a page takes whose content is that of routes that take this (`bickford_sora.http.roles`)."""
    assert isinstance(takes.dependency, Takes)  # noqa: S101 - a programmer's mistake
    return cast("Dependency", Depends(Opens(takes.dependency.roles)))


def console_of(request: Request) -> Console:
    """The console that a request is answered by."""
    return cast("Console", request.app.state.console)


def session_of(request: Request) -> Session | None:
    """The session that a request's cookie names, if it is one of ours and has not ended."""
    console = console_of(request)
    secure = cookies.is_secure(request, console.house.links.base_url)
    return console.sessions.read(cookies.session_in(request, secure=secure), console.clock())


def _is_of_a_list(request: Request) -> bool:
    """Whether it is one of the thumbnails that one page brings by the dozen: the page itself was counted."""
    return request.url.path.startswith("/files/") and request.path_params.get("variant") == "thumbnail"


async def visiting(request: Request) -> Visit:
    """Who asks: whoever is signed in, else the bearer of an API key. Raises Unauthorized and TooManyRequests."""
    console = console_of(request)
    if "authorization" in request.headers or "api-key" in request.headers:
        return Visit(request, console, await authenticated(request, None), None)
    session = session_of(request)
    if session is None:
        raise Unauthorized("Sign in first, or send an API key.", code="not_signed_in")
    caller = await _caller(console, session)
    structlog.contextvars.bind_contextvars(actor=caller.key_id)
    if not _is_of_a_list(request):
        console.house.rate_limit.count(caller)
    return Visit(request, console, caller, session)


async def is_signed_in(request: Request) -> bool:
    """Whether the request is of somebody who is signed in, and may still be."""
    session = session_of(request)
    try:
        return session is not None and bool(await _caller(console_of(request), session))
    except Unauthorized:
        return False


async def _caller(console: Console, session: Session) -> Caller:
    """Whoever is signed in, as they are now. Raises Unauthorized when their key, groups or way in are no more."""
    match session.who:
        case OfKey(tenant, key_id) if console.takes_api_keys:
            return await console.house.crossing.run(console.house.callers.of_key, tenant, key_id)
        case OfPerson(person, place) if console.sign_in is not None:
            return console.sign_in.people.caller(person, place)
        case _:
            raise Unauthorized("This way of signing in is not open any more.", code="not_signed_in")


TheVisit = Annotated[Visit, Depends(visiting)]

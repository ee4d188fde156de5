"""Signing in by the issuer of OpenID Connect, choosing where to work, and signing out there as well."""

from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from bickford_sora.console import beginning, cookies, logins, rendering
from bickford_sora.console.acting import TheAct
from bickford_sora.console.addresses import HOME, inside
from bickford_sora.console.console import Console, console_of
from bickford_sora.console.login_page import Next, login_page
from bickford_sora.console.routing import LookRoute
from bickford_sora.errors import InvalidRequest, NotFound
from bickford_sora.oidc.code_flow import Answer, CodeFlow, Login
from bickford_sora.oidc.errors import IssuerUnusable, NotAMember, OidcError
from bickford_sora.oidc.people import Person

BY = "oidc"
"""The way in, as the log names it."""

log = structlog.get_logger(__name__)

router = APIRouter(route_class=LookRoute, include_in_schema=False)


@router.get("/login/oidc")
async def begin(request: Request, leads_to: Next = HOME) -> Response:
    """Sends the browser to the issuer."""
    console, flow = _open(request)
    try:
        login, address = await console.asking_issuer.run(flow.begin, inside(leads_to))
    except IssuerUnusable as error:
        return _refused(request, console, error)
    answer = RedirectResponse(address, status_code=303)
    cookies.keep_login(
        answer,
        logins.cookie(console.sessions.digest, login),
        max_age_s=login.ends - int(console.clock().timestamp()),
        secure=_is_secure(request, console),
    )
    return answer


@router.get("/login/oidc/callback")
async def finish(request: Request) -> Response:
    """Takes what the issuer had the browser bring back, and begins a session."""
    console, flow = _open(request)
    kept = cookies.login_in(request, secure=_is_secure(request, console))
    login = logins.read(console.sessions.digest, kept)
    try:
        person = await _person(request, console, flow, login)
    except OidcError as error:
        answer = _refused(request, console, error)
    else:
        answer = _begun(request, console, flow, person, inside(login.leads_to if login else HOME))
    cookies.end_login(answer)
    return answer


@router.get("/login/oidc/end")
async def end(request: Request) -> Response:
    """Sends whoever signed out here to where the issuer ends its own session."""
    console, flow = _open(request)
    parts = urlsplit(flow.redirect_uri)
    back = f"{parts.scheme}://{parts.netloc}/login?done=signed-out"
    try:
        address = await console.asking_issuer.run(flow.end_address, back)
    except IssuerUnusable as error:
        return _refused(request, console, error)
    return RedirectResponse(address or "/login?done=signed-out", status_code=303)


@router.post("/place")
async def choose_place(act: TheAct) -> Response:
    """Goes on at another place that this person's groups have."""
    session, console = act.visit.session, act.visit.console
    chosen = next((each for each in act.visit.places if each.name == act.text("place")), None)
    if session is None or chosen is None:
        raise InvalidRequest("None of your groups has a role there.", code="invalid_value", param="place")
    answer = RedirectResponse(HOME, status_code=303)
    return beginning.keep(act.visit.request, console, console.sessions.at(session, chosen), answer)


def _open(request: Request) -> tuple[Console, CodeFlow]:
    """Raises NotFound where nobody signs in this way."""
    console = console_of(request)
    if console.sign_in is None:
        raise NotFound("There is no page at this address.", code="unknown_url")
    return console, console.sign_in


def _answer(request: Request) -> Answer:
    """What the browser brought back. A name that is there twice counts as missing (RFC 6749 section 3.1)."""

    def only(name: str) -> str | None:
        found = request.query_params.getlist(name)
        return found[0] if len(found) == 1 else None

    issuer = only("iss") or "" if "iss" in request.query_params else None
    return Answer(only("state") or "", only("code") or "", issuer, only("error") or "")


async def _person(request: Request, console: Console, flow: CodeFlow, login: Login | None) -> Person:
    """Who signed in. Raises OidcError, and TooManyRequests for an address that had the issuer asked in vain too often.

    What can be refused here is refused before that: ways back that nobody began, which every page of another site can
    send from an address, keep nobody there from signing in.
    """
    answer, address = _answer(request), beginning.address_of(request)
    await console.asking_issuer.run(flow.check, login, answer)
    in_vain = console.exchanges_in_vain
    in_vain.count(address)  # as if it were, until it is known: those that are sent at once are counted, too
    try:
        person = await console.asking_issuer.run(flow.finish, login, answer)
    except IssuerUnusable:
        in_vain.take_back(address)
        raise
    in_vain.take_back(address)
    return person


def _begun(request: Request, console: Console, flow: CodeFlow, person: Person, leads_to: str) -> Response:
    place = flow.people.places(person)[0]
    caller = flow.people.caller(person, place)
    session = console.sessions.begin_person(person, place, flow.session_s, console.clock())
    beginning.log_signed_in(caller, by=BY)
    # It is another site that sent the browser here, and with the next request of such a journey the session's cookie
    # would stay behind. The page goes on by itself, as ours.
    return beginning.keep(request, console, session, rendering.bare(request, "arriving.html", address=leads_to))


def _refused(request: Request, console: Console, error: OidcError) -> Response:
    """The page of signing in, with what went wrong. An issuer's fault is nobody's attempt, and is not counted."""
    if isinstance(error, IssuerUnusable):
        log.error("issuer_unusable", reason=error.reason)
        problem = "Signing in there does not work at the moment. Try again; if it stays, tell whoever runs this server."
        return login_page(request, HOME, problem=problem, status=503)
    beginning.count_refused(request, console, by=BY, reason=error.reason)
    return login_page(request, HOME, problem=error.message, status=403 if isinstance(error, NotAMember) else 401)


def _is_secure(request: Request, console: Console) -> bool:
    return cookies.is_secure(request, console.house.links.base_url)

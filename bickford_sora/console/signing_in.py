"""Signing in by API key, signing out, and how the pages look."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from bickford_sora.console import cookies, rendering
from bickford_sora.console.acting import TheAct, acting, check_from_here, read_form
from bickford_sora.console.addresses import HOME, inside
from bickford_sora.console.console import Console, console_of, session_of
from bickford_sora.console.routing import PageRoute
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import Unauthorized

LOGIN_BYTES_MAX = 8 * 1024
"""Largest form that signs somebody in, in bytes."""
NEXT_CHARS_MAX = 2_048

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Next = Annotated[str, Query(alias="next", max_length=NEXT_CHARS_MAX)]


@router.get("/login")
async def ask(request: Request, leads_to: Next = HOME, done: str = "") -> Response:
    """Asks for an API key; whoever is signed in goes on."""
    if session_of(request) is not None:
        return RedirectResponse(inside(leads_to), status_code=303)
    return _asked(request, inside(leads_to), signed_out=done == "signed-out")


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begins a session with the API key in the form. Only those that fail are counted: a good key always gets in."""
    check_from_here(request)
    console = console_of(request)
    house = console.house
    form = await read_form(request, house.crossing, bytes_max=LOGIN_BYTES_MAX, silence_s=house.limits.body_silence_s)
    leads_to = inside(form.fields.get("next"))
    try:
        caller = await _caller(console, form.fields.get("api_key"))
    except Unauthorized as error:
        console.attempts.count(request.client.host if request.client else "")
        return _asked(request, leads_to, problem=error.message, status=401)
    return _begun(request, console, caller, leads_to)


@router.post("/logout", dependencies=[Depends(acting)])
async def sign_out() -> Response:
    """Ends the session in this browser."""
    answer = RedirectResponse("/login?done=signed-out", status_code=303)
    cookies.end_session(answer)
    return answer


@router.post("/theme")
async def choose_theme(act: TheAct) -> Response:
    """Keeps how the pages look in this browser."""
    answer = RedirectResponse(inside(act.fields.get("next")), status_code=303)
    cookies.keep_theme(answer, str(act.fields.get("theme", "auto")))
    return answer


async def _caller(console: Console, key: object) -> Caller:
    """Whose key it is. Raises Unauthorized."""
    presented = key.strip() if isinstance(key, str) else ""
    return await console.house.crossing.run(
        console.house.callers.authenticate, {"authorization": f"Bearer {presented}"}
    )


def _begun(request: Request, console: Console, caller: Caller, leads_to: str) -> Response:
    session = console.sessions.begin(caller, console.clock())
    answer = RedirectResponse(leads_to, status_code=303)
    cookies.keep_session(
        answer,
        console.sessions.cookie(session),
        max_age_s=console.sessions.session_s,
        secure=cookies.is_secure(request, console.house.links.base_url),
    )
    return answer


def _asked(
    request: Request, leads_to: str, *, problem: str = "", signed_out: bool = False, status: int = 200
) -> Response:
    return rendering.bare(request, "login.html", status, leads_to=leads_to, problem=problem, signed_out=signed_out)

"""Signing in by API key, signing out, and how the pages look."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from bickford_sora.console import beginning, cookies
from bickford_sora.console.acting import TheAct, acting, check_from_here, read_form
from bickford_sora.console.addresses import HOME, inside
from bickford_sora.console.console import Console, console_of, is_signed_in
from bickford_sora.console.login_page import Next, login_page
from bickford_sora.console.routing import LookRoute
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import RoleMissing, Unauthorized

LOGIN_BYTES_MAX = 8 * 1024
"""Largest form that signs somebody in, in bytes."""
BY = "api_key"
"""The way in, as the log names it."""

router = APIRouter(route_class=LookRoute, include_in_schema=False)


@router.get("/login")
async def ask(request: Request, leads_to: Next = HOME, done: str = "") -> Response:
    """Asks how to sign in; whoever is signed in goes on."""
    if await is_signed_in(request):
        return RedirectResponse(inside(leads_to), status_code=303)
    return login_page(request, inside(leads_to), signed_out=done == "signed-out")


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begins a session with the API key in the form. Only those that fail are counted: a good key always gets in."""
    check_from_here(request)
    console = console_of(request)
    if not console.takes_api_keys:
        raise RoleMissing("Nobody signs in here by API key. Go back, and choose another way.", code="sign_in_closed")
    house = console.house
    form = await read_form(request, house.crossing, bytes_max=LOGIN_BYTES_MAX, silence_s=house.limits.body_silence_s)
    leads_to = inside(form.fields.get("next"))
    try:
        caller = await _caller(console, form.fields.get("api_key"))
    except Unauthorized as error:
        beginning.count_refused(request, console, by=BY, reason=error.code)
        return login_page(request, leads_to, problem=error.message, status=401)
    session = console.sessions.begin(caller, console.clock())
    beginning.log_signed_in(caller, by=BY)
    return beginning.keep(request, console, session, RedirectResponse(leads_to, status_code=303))


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

"""How a session begins, whichever way somebody signed in: its cookie, and a line in the log."""

import structlog
from fastapi import Request, Response

from bickford_sora.console import cookies
from bickford_sora.console.console import Console
from bickford_sora.console.sessions import Session
from bickford_sora.decisions.caller import Caller

log = structlog.get_logger(__name__)


def keep(request: Request, console: Console, session: Session, answer: Response) -> Response:
    """The answer, with which the browser keeps this session for as long as it lasts."""
    cookies.keep_session(
        answer,
        console.sessions.cookie(session),
        max_age_s=session.ends - int(console.clock().timestamp()),
        secure=cookies.is_secure(request, console.house.links.base_url),
    )
    return answer


def log_signed_in(caller: Caller, *, by: str) -> None:
    """Logs who signed in: by the ids that are on record, which whoever knows a name can find from it."""
    log.info(
        "signed_in",
        by=by,
        actor=caller.key_id,
        requester=caller.requester,
        tenant=caller.tenant,
        project=caller.project,
        roles=sorted(caller.roles),
    )


def count_refused(request: Request, console: Console, *, by: str, reason: str) -> None:
    """Logs and counts a sign-in that failed. Raises TooManyRequests when there were too many from this address."""
    log.warning("sign_in_refused", by=by, reason=reason)
    console.attempts.count(address_of(request))


def address_of(request: Request) -> str:
    """The address that a request comes from; behind a proxy, the proxy's."""
    return request.client.host if request.client else ""

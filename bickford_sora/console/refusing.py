"""Errors as pages: what went wrong, and what to do about it."""

from http import HTTPStatus

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from bickford_sora.assets.errors import AssetStoreUnavailable
from bickford_sora.console import rendering
from bickford_sora.console.addresses import sign_in
from bickford_sora.errors import Gone, InvalidRequest, NotFound, OutcomeUnknown, ProtocolError, TryLater, Unauthorized
from bickford_sora.http.refusals import not_rebuilt, out_of_reach, unreadable
from ledger.errors import Corrupt, Erased, Unavailable
from projections.errors import OtherVersion

TITLES = {
    400: "That did not work",
    403: "Not with this key",
    404: "Not found",
    409: "Not in this state",
    410: "Gone for good",
    413: "Too large",
    429: "Too many, too fast",
    500: "Something went wrong here",
    503: "Try again in a moment",
}

_UNKNOWN = (
    "It is not known whether it was recorded. Reload this page to send the same form again, or look at the list first."
)
_UNEXPECTED = "The server had an error. Try once more; if it stays, tell whoever runs this server."

log = structlog.get_logger(__name__)


def told(request: Request, error: Exception, *, records: bool) -> Response:
    """The page that tells of an error, or leads to where somebody signs in. No detail of our own mistakes leaves.

    `records`: the request may have put something on record before its answer was lost.
    """
    known = _known(error)
    if records and isinstance(error, Unavailable | OutcomeUnknown | OtherVersion):
        known = OutcomeUnknown(_UNKNOWN, code=known.code if known else "unavailable")
    if known is None:
        log.error("request_failed", exc_info=error)
        return shown(request, ProtocolError(_UNEXPECTED, code="internal_error"))
    if isinstance(known, Unauthorized):
        return _to_sign_in(request)
    if known.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_not_served", code=known.code, error=type(error).__name__)
    answer = shown(request, known)
    if "retry-after" in known.headers:
        answer.headers["retry-after"] = known.headers["retry-after"]
    return answer


def shown(request: Request, error: ProtocolError) -> Response:
    """The page itself; a part of a page that could not be had is a short text in its place."""
    template = "parts/refusal.html" if "hx-request" in request.headers else "refusal.html"
    title = TITLES.get(error.status, "That did not work")
    back = None if isinstance(error, OutcomeUnknown) else _back(request)  # a fresh form would ask for it anew
    return rendering.bare(request, template, error.status, title=title, error=error, back=back)


def _known(error: Exception) -> ProtocolError | None:
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, Unavailable | AssetStoreUnavailable):
        code = str(getattr(error, "code", "unavailable"))
        return TryLater(f"{out_of_reach(error)} Nothing was changed.", code=code)
    if isinstance(error, OtherVersion | Corrupt):
        return not_rebuilt(error) if isinstance(error, OtherVersion) else unreadable(error)
    if isinstance(error, Erased):
        return Gone("What this key asked for was erased.", code="erased")
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        param = str(first["loc"][-1])
        return InvalidRequest(f"Invalid value for {param!r}: {first['msg']}.", code="invalid_value", param=param)
    return None


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "GET":
        # The cookie stays with pages of ours: a link from elsewhere comes without it. Asked for by ourselves, it comes.
        return rendering.bare(request, "arriving.html", address=_address(request))
    where = sign_in(_address(request) if request.method == "GET" else _back(request))
    if "hx-request" in request.headers:
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"hx-redirect": where})
    return RedirectResponse(where, status_code=303)


def _address(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _back(request: Request) -> str:
    """The page that a form was on, without what is not ours."""
    referrer = request.headers.get("referer", "")
    base = str(request.base_url).rstrip("/")
    return referrer.removeprefix(base) if referrer.startswith(f"{base}/") else "/"


def unknown_page(request: Request, error: Exception) -> Response | None:
    """The page for an address that is not there, for a browser; None for programs, and for every other error."""
    wants_html = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if not (wants_html and isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND):
        return None
    return shown(request, NotFound("There is no page at this address.", code="unknown_url"))

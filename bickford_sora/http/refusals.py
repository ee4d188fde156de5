"""Every error as the protocol's error object, with the status its class has in the SDKs (Videos API, errors)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bickford_sora.assets.errors import AssetStoreUnavailable
from bickford_sora.errors import NO_RETRY, Gone, InvalidRequest, NotRebuilt, ProtocolError, TryLater, Unreadable
from bickford_sora.http.limit_headers import limit_headers
from ledger.errors import Corrupt, Erased, SegmentUnreadable, Unavailable
from projections.errors import OtherVersion

log = structlog.get_logger(__name__)

_UNEXPECTED = "The server had an error while processing your request. Quote the x-request-id when you report it."


def answer(error: ProtocolError) -> JSONResponse:
    """The answer that tells a client of an error."""
    headers = {**error.headers, **limit_headers(error.allowance)}
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


def unexpected(method: str) -> JSONResponse:
    """The answer to a request on which we failed: no detail leaves the house.

    Only what changes nothing may be sent again: the rest may have been recorded before we failed.
    """
    answered = answer(ProtocolError(_UNEXPECTED, code="internal_error"))
    if method not in {"GET", "HEAD"}:
        answered.headers.update(NO_RETRY)
    return answered


def register(app: FastAPI) -> None:
    """Has `app` answer errors in the protocol's shape."""
    app.add_exception_handler(ProtocolError, _refused)
    for kind in _REFUSALS:
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(HTTPException, routing)
    app.add_exception_handler(RequestValidationError, _validation)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    refused = refusal(error)
    assert refused is not None, type(error)  # noqa: S101 - registered for this class
    return refused


def refusal(error: Exception) -> JSONResponse | None:
    """The answer to a request that is refused with this error; None: it is our own mistake."""
    if isinstance(error, ProtocolError):
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request_not_served", code=error.code)
        return answer(error)
    return next((told(error) for kind, told in _REFUSALS.items() if isinstance(error, kind)), None)


async def routing(_: Request, error: Exception) -> JSONResponse:
    """The answer to a request that no route takes."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    body = _routing_error(error.status_code).body()
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def _routing_error(status: int) -> ProtocolError:
    if status == HTTPStatus.NOT_FOUND:
        return InvalidRequest("Unknown URL. The routes are listed at /docs.", code="unknown_url")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return InvalidRequest("This URL does not take this method.", code="method_not_allowed")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProtocolError(_UNEXPECTED, code="internal_error")
    return InvalidRequest("The request could not be read.", code="invalid_request")


async def _validation(_: Request, error: Exception) -> JSONResponse:
    """Query parameters of the wrong type or out of range: the only thing the framework validates here."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    first = error.errors()[0]
    param = str(first["loc"][-1])
    return answer(InvalidRequest(f"Invalid value for {param!r}: {first['msg']}.", code="invalid_value", param=param))


def _unavailable(error: Exception) -> JSONResponse:
    code = str(getattr(error, "code", "unavailable"))
    log.warning("request_not_served", code=code, error=type(error).__name__)
    return answer(TryLater(f"{out_of_reach(error)} Send the same request again.", code=code))


def out_of_reach(error: Exception) -> str:
    """What it is that cannot be reached."""
    if isinstance(error, SegmentUnreadable):
        return (
            "A file of a closed segment, which this needs, is missing or was changed: an operator has to put it back."
        )
    return "The server cannot reach its storage."


def _erased(_: Exception) -> JSONResponse:
    return answer(Gone("What this key asked for was erased. Use another API key.", code="erased"))


def not_rebuilt(error: Exception) -> NotRebuilt:
    """The refusal where a read model is to be rebuilt. The log tells the operator what to do."""
    log.error("read_model_to_be_rebuilt", run="bickford-sora replay", exc_info=error)
    said = "What this is answered from is of another version than the program, until an operator has rebuilt it."
    return NotRebuilt(said, code=OtherVersion.code)


def unreadable(error: Corrupt) -> Unreadable:
    """The refusal where a fact cannot be read. The log tells the operator which one, and what to do."""
    log.error("fact_unreadable", code=error.code, fact=str(error), run="bickford-sora verify")
    said = "A fact that this needs cannot be read by this version of the program. An operator has to look at it."
    return Unreadable(said, code=error.code)


def _corrupt(error: Exception) -> JSONResponse:
    assert isinstance(error, Corrupt)  # noqa: S101 - registered for this class
    return answer(unreadable(error))


_REFUSALS: Mapping[type[Exception], Callable[[Exception], JSONResponse]] = {
    Unavailable: _unavailable,
    AssetStoreUnavailable: _unavailable,
    Erased: _erased,
    Corrupt: _corrupt,
    OtherVersion: lambda error: answer(not_rebuilt(error)),
}
"""Errors that are not the protocol's own, and what is answered then."""

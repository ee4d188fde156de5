"""Where planned faults strike a call: before it is handled, or on the way of its answer."""

import asyncio
from contextlib import suppress

from fastapi.responses import Response

from bickford_sora.simulator.connection import ConnectionReset
from bickford_sora.simulator.faults import Fault, FaultKind, Operation
from bickford_sora.simulator.problems import Problem
from bickford_sora.simulator.simulator import Simulator

_CODES = {
    401: ("invalid_api_key", "Incorrect API key provided."),
    403: ("model_access_denied", "You do not have access to this model."),
    404: ("model_not_found", "The requested model does not exist."),
    429: ("rate_limit_exceeded", "Rate limit reached. Please try again later."),
    503: ("overloaded", "The engine is currently overloaded. Please try again later."),
}
_LOOK_S = 0.02
_OTHER_CODE = ("server_error", "The server had an error while processing your request.")
_NONSENSE = b'<html><body>upstream said: {"id": "video_'


async def strike_before(simulator: Simulator, operation: Operation, prompt: str) -> Response | None:
    """Let faults strike a call that has not been handled; an answer means that it must not be.

    Raises:
        Problem: the refusal a status fault asks for.
    """
    faults = simulator.faults
    if faults.take(FaultKind.RESTART, operation, prompt):
        simulator.restart()
    if fault := faults.take(FaultKind.LATENCY, operation, prompt):
        await asyncio.sleep(fault.delay_s)
    if faults.take(FaultKind.RESET_BEFORE_ACCEPT, operation, prompt):
        return ConnectionReset()
    for kind in (FaultKind.CREATE_STATUS, FaultKind.READ_STATUS):
        if fault := faults.take(kind, operation, prompt):
            raise _refusal(fault)
    return None


async def strike_after(simulator: Simulator, operation: Operation, prompt: str, answer: Response) -> Response:
    """Let faults strike the answer of a call that has been handled; what it did stays done."""
    faults = simulator.faults
    if fault := faults.take(FaultKind.LATENCY_AFTER_ACCEPT, operation, prompt):
        await _delay(simulator, fault, prompt)
    if faults.take(FaultKind.RESET_AFTER_ACCEPT, operation, prompt):
        return ConnectionReset()
    if faults.take(FaultKind.NONSENSE_JSON, operation, prompt):
        return Response(_NONSENSE, media_type="application/json")
    return answer


async def _delay(simulator: Simulator, fault: Fault, prompt: str) -> None:
    if not fault.until_told:
        await asyncio.sleep(fault.delay_s)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(fault.delay_s):
            while not _was_told(simulator, prompt):  # noqa: ASYNC110 - seldom, and nobody has to be told for it
                await asyncio.sleep(_LOOK_S)


def _was_told(simulator: Simulator, prompt: str) -> bool:
    """Whether a webhook was delivered for a job with this prompt."""
    told = {each.video_id for each in simulator.webhooks.deliveries() if each.outcome == "delivered"}
    return any(job.id in told and job.prompt == prompt for job in simulator.registry.billed())


def _refusal(fault: Fault) -> Problem:
    status = fault.status or 500
    code, message = _CODES.get(status, _OTHER_CODE)
    return Problem(status, message, code=code, retry_after_s=fault.retry_after_s)

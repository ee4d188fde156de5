"""Taking in webhooks that came whole, as almost all do: what `webhooks.receive_webhook` does for one, without a task.

It is the route's other door and no other route: the limits, checks, errors, headers, counts and log lines are the same
ones. Whatever is out of the ordinary is left to the ordinary way: what is too large or too much, and all of them where
spans are told.
"""

import re
import time
from collections.abc import Mapping
from functools import partial

import structlog
from starlette.responses import Response
from structlog.typing import FilteringBoundLogger

from bickford_sora.http import refusals
from bickford_sora.http.gate import Burden
from bickford_sora.http.house import House, Undertaking
from bickford_sora.http.request_scope import completed, log_request, mark_log, traceparent_of
from bickford_sora.http.webhooks import ANSWERS, PREFIX, ROUTE, webhook_of
from bickford_sora.http.whole import WholeRequest, written
from bickford_sora.telemetry import trace_id
from bickford_sora.webhook_intake import Status
from bickford_sora.webhook_signatures import WEBHOOK_BODY_BYTES_MAX

_METHOD = "POST"
_URL = re.compile(PREFIX.encode() + rb"[a-z][a-z0-9_-]{0,62}")
"""Every name a renderer can have. What is sent to another one is refused the ordinary way."""
_PLACE = "\0"
"""Stands for a request's id: no header has it."""

log = structlog.get_logger(__name__)


class WebhookTaker:
    """A `whole.Taker`. For one event loop."""

    body_bytes_max = WEBHOOK_BODY_BYTES_MAX

    def __init__(self, house: House, burden: Burden) -> None:
        self._new_id = house.new_id
        self._receiving = house.receiving
        self._metrics = house.metrics
        self._burden = burden
        self._is_open = not house.tracing.is_told
        self._log: FilteringBoundLogger | None = None

    def wants(self, url: bytes) -> bool:
        """See `whole.Taker.wants`."""
        return self._is_open and _URL.fullmatch(url) is not None

    def take(self, request: WholeRequest) -> bool:
        """See `whole.Taker.take`."""
        held_bytes = len(request.body)
        if not self._burden.bears(held_bytes):
            return False
        self._burden.take_on()
        self._burden.hold(held_bytes)
        undertaking = Undertaking(self._new_id(), trace_id(traceparent_of(request.headers)))
        renderer = request.url[len(PREFIX) :].decode()
        webhook = webhook_of(renderer, request.headers, request.body, undertaking)
        self._receiving.add(webhook, partial(self._answer, request, undertaking, time.monotonic()))
        return True

    def _answer(
        self, request: WholeRequest, undertaking: Undertaking, began: float, status: Status | Exception
    ) -> None:
        self._burden.put_down(len(request.body))
        code = None
        try:
            code = self._send(request, undertaking, status)
        finally:
            duration_s = time.monotonic() - began
            self._metrics.answered(_METHOD, ROUTE, code, duration_s)
            self._log = self._log or log.bind()  # found anew for each line it would take longer than the answer
            marks = {"request_id": undertaking.request_id, "trace_id": undertaking.trace}
            log_request(self._log, _METHOD, ROUTE, code, duration_s, **marks)

    def _send(self, request: WholeRequest, undertaking: Undertaking, status: Status | Exception) -> int:
        """Answers, and returns the answer's status."""
        if isinstance(status, Exception):
            return _refuse(request, undertaking, status)
        self._metrics.counts.webhook(status)
        code = ANSWERS[status].status_code
        before, behind, body = _PREPARED[status]
        request.answer(code, b"".join((before, undertaking.request_id.encode(), behind)), body)
        return code


def _refuse(request: WholeRequest, undertaking: Undertaking, error: Exception) -> int:
    """Answers with the error, and returns the answer's status."""
    structlog.contextvars.clear_contextvars()
    mark_log(undertaking)
    try:
        response = refusals.refusal(error)
        if response is None:
            log.error("request_failed", exc_info=error)
            response = refusals.unexpected(_METHOD)
        head = written(completed(response.raw_headers, undertaking.request_id, PREFIX))
        request.answer(response.status_code, head, bytes(response.body))
        return response.status_code
    finally:
        structlog.contextvars.clear_contextvars()


def _prepared(answer: Response) -> tuple[bytes, bytes, bytes]:
    """An answer's head up to the request's id, what comes behind that, and the body."""
    before, _, behind = written(completed(answer.raw_headers, _PLACE, PREFIX)).partition(_PLACE.encode())
    return before, behind, bytes(answer.body)


_PREPARED: Mapping[Status, tuple[bytes, bytes, bytes]] = {status: _prepared(each) for status, each in ANSWERS.items()}

"""Asking for a render, by whichever route: a body comes in, one decision is taken, the video object goes out.

An answer may find nobody: the client gave up while the decision was taken. That is put on record, so that the SDK's
repetition of the request, which has no Idempotency-Key, gets this render and not a second one.
"""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from bickford_sora.allowance import Allowance
from bickford_sora.decisions.declared import declared_by
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.decisions.requesters import PARAM as REQUESTER
from bickford_sora.errors import OutcomeUnknown, ProtocolError
from bickford_sora.http.bodies import read_body
from bickford_sora.http.crossing import Crossing
from bickford_sora.http.forms import Form, parse
from bickford_sora.http.house import House, Order
from bickford_sora.http.leaving import has_left
from bickford_sora.http.limit_headers import limit_headers
from bickford_sora.http.links import Links
from bickford_sora.http.policy_warnings import warning_headers
from bickford_sora.http.video_object import Video, View, video_objects
from bickford_sora.intake import Answer, Asking, Terms
from ledger.errors import LedgerError, Unavailable
from ledger.render import Render

POLL_AFTER = "openai-poll-after-ms"
"""Tells the SDK's poll helper how long to wait; it keeps the first value it sees."""
REPEATED = "bickford-repeated"
"""Names the video of an earlier request with the same words, whose answer this one was given."""
FORM_BYTES_MAX = 1024 * 1024
"""Room for everything but the file in a body that holds one."""
PARSED_AT_ONCE_BYTES_MAX = 64 * 1024
"""Largest body that is read where it came in: handing it to a thread takes longer than reading it."""

log = structlog.get_logger(__name__)


class VideoAnswer(Response):
    """A video object on its way to the client."""

    def __init__(self, video: Video, headers: dict[str, str], on_lost: Callable[[], Awaitable[None]]) -> None:
        super().__init__(video.model_dump_json(), headers=headers, media_type="application/json")
        self._on_lost = on_lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; when that fails, says so before anything else."""
        try:
            await super().__call__(scope, receive, send)
        except OSError:
            await self._on_lost()
            raise


async def ask(request: Request, order: Order, route: str, read: Callable[[Form], ParsedRequest]) -> VideoAnswer:
    """Decides whether the render may happen, records it, and answers with the video.

    `route` says which operation on what this is; `read` makes the parsed request of the form in the body.
    """
    return await _asked(request, order, route, read, bytes_max=order.house.limits.body_bytes_max)


async def ask_with_source(
    request: Request, order: Order, route: str, read: Callable[[Form], ParsedRequest]
) -> VideoAnswer:
    """As `ask`, for a body that may hold a video."""
    limits = order.house.limits
    bytes_max = max(limits.body_bytes_max, limits.source_bytes_max + FORM_BYTES_MAX)
    return await _asked(request, order, route, read, bytes_max=bytes_max)


async def ask_again(request: Request, order: Order, video_id: str) -> VideoAnswer:
    """Asks anew for what failed. Whatever the body says is ignored; behind its end it shows when the client leaves."""
    house = order.house
    await read_body(request, bytes_max=house.limits.body_bytes_max, silence_s=house.limits.body_silence_s)
    terms = order.terms(f"retry {video_id}", None)
    return await _answered(
        request, order, terms, lambda: house.crossing.run(house.intake.retry, order.caller, video_id, terms)
    )


async def read_request(
    request: Request,
    order: Order,
    route: str,
    read: Callable[[Form], ParsedRequest],
    *,
    bytes_max: int | None = None,
) -> tuple[Order, ParsedRequest, Terms]:
    """The request in a body, on behalf of whoever it names. Raises InvalidRequest, TooLarge and TooSlow."""
    limits = order.house.limits
    body = await read_body(request, bytes_max=bytes_max or limits.body_bytes_max, silence_s=limits.body_silence_s)
    if len(body) <= PARSED_AT_ONCE_BYTES_MAX:
        return _parsed(order, route, read, request.headers, body)
    return await order.house.crossing.run(_parsed, order, route, read, request.headers, body)


def crossing_of(house: House, parsed: ParsedRequest) -> Crossing:
    """Where a request is decided: what calls an address of the client's choice waits among its own kind."""
    calls = parsed.reference is not None and parsed.reference.url is not None
    return house.calling if calls else house.crossing


def shown(house: House, links: Links, render: Render) -> Video:
    """The render as the protocol's object. Synchronous: behind the crossing."""
    return video_objects([View.of_render(render)], house.keys, links)[0]


def poll_headers(house: House, video: Video) -> dict[str, str]:
    """The time to wait before asking again, for a video that is not finished."""
    if video.status in {"queued", "in_progress"}:
        return {POLL_AFTER: str(house.limits.poll_after_ms)}
    return {}


async def _asked(
    request: Request, order: Order, route: str, read: Callable[[Form], ParsedRequest], *, bytes_max: int
) -> VideoAnswer:
    house = order.house
    order, parsed, terms = await read_request(request, order, route, read, bytes_max=bytes_max)

    def decide() -> Awaitable[Answer]:
        if house.intake.is_quick(order.caller, parsed):
            return house.deciding.run(Asking(order.caller, parsed, terms))
        return crossing_of(house, parsed).run(house.intake.ask, order.caller, parsed, terms)

    return await _answered(request, order, terms, decide)


async def _answered(
    request: Request, order: Order, terms: Terms, decide: Callable[[], Awaitable[Answer]]
) -> VideoAnswer:
    try:
        return await _once(request, order, terms, lambda: _decided(order, decide))
    except ProtocolError as error:
        error.allowance = (error.allowance or Allowance()).within(order.requests_left)
        raise


async def _once(
    request: Request, order: Order, terms: Terms, decide: Callable[[], Awaitable[tuple[Answer, Video]]]
) -> VideoAnswer:
    """The answer, when equal requests that are under way have theirs."""
    if order.key is not None:
        return await _told(request, order, *await decide())
    name = f"{order.caller.key_id} {terms.request_hash}"
    async with order.house.underway.answering(name, is_repetition=order.retry_count > 0):
        if order.retry_count > 0 and has_left(request.receive):
            raise ClientDisconnect  # it lost patience once more: nothing is decided for nobody
        return await _told(request, order, *await decide())


async def _told(request: Request, order: Order, answer: Answer, video: Video) -> VideoAnswer:
    structlog.contextvars.bind_contextvars(video_id=video.id)

    async def lost() -> None:
        log.info("answer_undelivered")
        try:
            await order.house.crossing.run(order.house.intake.undelivered, order.caller, answer, order.origin)
        except LedgerError as error:  # the render exists all the same
            log.warning("answer_undelivered_unrecorded", error=type(error).__name__)

    # The render is recorded. A crash from here to the sent answer leaves a client that knows nothing of it, and no
    # record of that: only an Idempotency-Key helps then.
    if has_left(request.receive):
        await lost()
    allowance = (answer.allowance or Allowance()).within(order.requests_left)
    headers = {**poll_headers(order.house, video), **warning_headers(answer.render), **limit_headers(allowance)}
    if answer.repeated:
        headers[REPEATED] = video.id
    return VideoAnswer(video, headers, lost)


def _parsed(
    order: Order, route: str, read: Callable[[Form], ParsedRequest], headers: Mapping[str, str], body: bytes
) -> tuple[Order, ParsedRequest, Terms]:
    """Computes only: waits for nothing."""
    form = parse(headers.get("content-type"), body)
    order = order.on_behalf_of(form.fields.pop(REQUESTER, None))
    parsed = read(Form({**declared_by(headers), **form.fields}, form.files))
    return order, parsed, order.terms(route, parsed)


async def _decided(order: Order, decide: Callable[[], Awaitable[Answer]]) -> tuple[Answer, Video]:
    """The video that was asked for. After a lost answer of the ledger only an Idempotency-Key makes repeating safe."""
    try:
        answer = await decide()
        if answer.opened:  # it was made just now: its words are known without a key, and it has no file to link to
            return answer, _video(order, answer, None)
        return answer, await order.house.crossing.run(_video, order, answer, order.links())
    except Unavailable as error:
        if order.key is not None:
            raise
        raise OutcomeUnknown(
            "It is not known whether the render was recorded. Look for it in the list before you ask again; "
            "a request with an Idempotency-Key can always be sent again.",
            code=error.code,
        ) from error


def _video(order: Order, answer: Answer, links: Links | None) -> Video:
    return video_objects([View.of_render(answer.render)], order.house.keys, links, opened=answer.opened)[0]

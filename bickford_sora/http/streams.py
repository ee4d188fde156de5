"""Progress without polling: Server-Sent Events of a video, and of every fact of a project (HTML, section 9.2).

A stream can be taken up again with `Last-Event-ID`: nothing is told twice and nothing is left out, because positions
and versions are dense and the read model of events is filled in their order.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest, Unauthorized
from bickford_sora.http import documentation
from bickford_sora.http.asking import shown
from bickford_sora.http.house import House, TheCaller, TheHouse, TheLinks, authenticated
from bickford_sora.http.links import Links
from bickford_sora.http.roles import OVERSEES, READS
from projections.audit import AuditEvent, Filters

HEARTBEAT_S = 15.0
"""Longest silence of a stream, in seconds: proxies close what says nothing."""
RECONNECT_MS = 1000
"""What clients are told to wait before they come again, in milliseconds."""
EVENTS_AT_ONCE = 100
"""Events read from the database at a time; a slow reader holds no more than these."""
FILTER_CHARS_MAX = 128
MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
BEGIN = f"retry: {RECONNECT_MS}\n\n".encode()
HEARTBEAT = b": still here\n\n"

router = APIRouter(
    tags=["streams"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
    default_response_class=StreamingResponse,
)
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="Where the stream broke off.")]
Filter = Annotated[str | None, Query(max_length=FILTER_CHARS_MAX)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which facts are to come."""

    type: Filter = None
    video_id: Filter = None


@router.get(
    "/v1/ledger/stream",
    summary="Follow every fact of this project",
    dependencies=[OVERSEES],
    openapi_extra=documentation.EVENTS,
)
async def ledger_stream(
    house: TheHouse,
    caller: TheCaller,
    wanted: Annotated[Wanted, Depends()],
    last_event_id: LastEventId = None,
    after: Annotated[int | None, Query(ge=0)] = None,
) -> StreamingResponse:
    """Facts in the ledger's order, from now on, or behind `Last-Event-ID` (or `after`, which is for the first call).

    Of every project, for an auditor or admin of the tenant.
    """
    begin = _position(last_event_id, "Last-Event-ID")
    if begin is None:
        begin = after if after is not None else await house.crossing.run(house.audited)
    filters = Filters(project=caller.readable, type=wanted.type, video_id=wanted.video_id)
    return streamed(house, caller, _facts(house, caller, filters, begin))


@router.get(
    "/v1/videos/{video_id}/stream",
    summary="Follow a video to its end",
    dependencies=[READS],
    openapi_extra=documentation.EVENTS,
)
async def video_stream(
    video_id: str, house: TheHouse, caller: TheCaller, links: TheLinks, last_event_id: LastEventId = None
) -> StreamingResponse:
    """The video object now and whenever it changes; the stream ends with the video's end."""
    seen = _position(last_event_id, "Last-Event-ID")
    await house.crossing.run(house.intake.find, caller, video_id)  # an unknown one is answered before a stream begins
    return streamed(house, caller, _video(house, caller, links, video_id, seen))


async def _facts(house: House, caller: Caller, filters: Filters, after: int) -> AsyncGenerator[bytes, None]:
    yield BEGIN
    async for events in recorded_since(house, caller, filters, after):
        for event in events:
            yield framed(event.position, event.type, _told(event))
        if not events:
            yield HEARTBEAT


async def _video(
    house: House, caller: Caller, links: Links, video_id: str, seen: int | None
) -> AsyncGenerator[bytes, None]:
    yield BEGIN
    spoke = time.monotonic()
    async for _ in house.tide.turns(at_most_s=HEARTBEAT_S):
        version, ended, body = await house.crossing.run(_shown, house, caller, links, video_id)
        if not await is_accepted(house, caller):
            return
        if seen is None or version > seen or ended:  # the end is told again to who comes back for it
            yield framed(version, "video", body)
            seen, spoke = version, time.monotonic()
        if ended:
            return
        if time.monotonic() - spoke >= HEARTBEAT_S:
            yield HEARTBEAT
            spoke = time.monotonic()


async def is_accepted(house: House, caller: Caller) -> bool:
    """Whether the caller's key is still accepted: a stream ends with it. A configured key takes no look.

    Asked after reading and before telling, so that nothing is told that was recorded behind a revocation.
    """
    if caller.key_head is None:
        return True
    try:
        await house.crossing.run(house.callers.confirmed, caller)
    except Unauthorized:
        return False
    return True


def streamed(house: House, caller: Caller, chunks: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """The answer, counted for as long as it lasts. Raises TooManyRequests."""
    house.tide.check_room(caller.key_id)

    async def served() -> AsyncGenerator[bytes, None]:
        with house.tide.stream(caller.key_id):
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    return StreamingResponse(served(), media_type=MEDIA_TYPE, headers=HEADERS)


async def recorded_since(
    house: House, caller: Caller, filters: Filters, after: int, *, goes_on: Callable[[], bool] = lambda: True
) -> AsyncGenerator[list[AuditEvent], None]:
    """The facts behind a position as they come, at most `EVENTS_AT_ONCE` at a time; none where it is time for a sign.

    It ends when the caller's key is accepted no more, or when `goes_on` says so.
    """
    spoke = time.monotonic()
    async for _ in house.tide.turns(at_most_s=HEARTBEAT_S):
        full = True
        while full:
            events = await house.listing.run(
                house.audits.query.events, caller.tenant, filters, after=after, limit=EVENTS_AT_ONCE
            )
            if not goes_on() or not await is_accepted(house, caller):
                return
            full = len(events) == EVENTS_AT_ONCE
            if events:
                yield events
                after, spoke = events[-1].position, time.monotonic()
        if time.monotonic() - spoke >= HEARTBEAT_S:
            yield []
            spoke = time.monotonic()


def framed(number: int, name: str, data: bytes) -> bytes:
    """One event of a stream; `data` is on one line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), data)


def _told(event: AuditEvent) -> bytes:
    """One fact as the audit shows it: its columns and what it is searched by, none of them free text."""
    return orjson.dumps({name: getattr(event, name) for name in AuditEvent.__slots__ if name != "tenant"})


def _position(given: str | None, param: str) -> int | None:
    if given is None or given == "":
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):  # noqa: PLR2004 - a bigint
        raise InvalidRequest(f"{param} is a number this stream gave.", code="invalid_value", param=param)
    return int(given)


# What follows runs in the synchronous world, behind the crossing.


def _shown(house: House, caller: Caller, links: Links, video_id: str) -> tuple[int, bool, bytes]:
    """A render's version, whether it reached its end, and its video object as JSON on one line."""
    render = house.intake.find(caller, video_id)
    return render.version, render.ended, shown(house, links, render).model_dump_json().encode()

"""Live pages: a stream that says which renders moved, so that the script fetches what shows them anew.

It carries ids and types, never content: what a page shows is always what its own address would show.
"""

import time
from collections.abc import AsyncGenerator

import orjson
from fastapi import APIRouter, Request, Response

from bickford_sora.console.console import TheVisit, Visit, opened_by
from bickford_sora.http.roles import READS
from bickford_sora.http.streams import BEGIN, EVENTS_AT_ONCE, HEARTBEAT, HEARTBEAT_S, framed, is_accepted, streamed
from projections.audit import AuditEvent, Filters

router = APIRouter(include_in_schema=False)


@router.get("/live", dependencies=[opened_by(READS)])
async def live(request: Request, visit: TheVisit) -> Response:
    """What moves from now on, of what the visitor reads; a stream that broke off goes on where it was."""
    seen = request.headers.get("last-event-id", "")
    begin = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 19 else None  # noqa: PLR2004 - a bigint
    if begin is None:
        begin = await visit.house.listing.run(visit.house.audited)
    return streamed(visit.house, visit.caller, _moves(visit, begin))


async def _moves(visit: Visit, after: int) -> AsyncGenerator[bytes, None]:
    house, filters = visit.house, Filters(project=visit.caller.readable)
    yield BEGIN
    spoke = time.monotonic()
    async for _ in house.tide.turns(at_most_s=HEARTBEAT_S):
        full = True
        while full:
            events = await house.listing.run(
                house.audits.query.events, visit.caller.tenant, filters, after=after, limit=EVENTS_AT_ONCE
            )
            if _has_ended(visit) or not await is_accepted(house, visit.caller):
                return
            full = len(events) == EVENTS_AT_ONCE
            if events:
                after, spoke = events[-1].position, time.monotonic()
                yield framed(after, "moved", _told(events))
        if time.monotonic() - spoke >= HEARTBEAT_S:
            yield HEARTBEAT
            spoke = time.monotonic()


def _has_ended(visit: Visit) -> bool:
    return visit.session is not None and visit.session.ends <= visit.now.timestamp()


def _told(events: list[AuditEvent]) -> bytes:
    renders = dict.fromkeys(each.video_id for each in events if each.video_id is not None)
    return orjson.dumps({"renders": [*renders], "types": [*dict.fromkeys(each.type for each in events)]})

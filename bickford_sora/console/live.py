"""Live pages: a stream that says which renders moved, so that the script fetches what shows them anew.

It carries ids and types, never content: what a page shows is always what its own address would show.
"""

from collections.abc import AsyncGenerator

import orjson
from fastapi import APIRouter, Request, Response

from bickford_sora.console.console import TheVisit, Visit, opened_by
from bickford_sora.http.roles import READS
from bickford_sora.http.streams import BEGIN, HEARTBEAT, framed, recorded_since, streamed
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
    filters = Filters(project=visit.caller.readable)
    yield BEGIN
    async for events in recorded_since(
        visit.house, visit.caller, filters, after, goes_on=lambda: not _has_ended(visit)
    ):
        yield framed(events[-1].position, "moved", _told(events)) if events else HEARTBEAT


def _has_ended(visit: Visit) -> bool:
    return visit.session is not None and visit.session.ends <= visit.now.timestamp()


def _told(events: list[AuditEvent]) -> bytes:
    renders = dict.fromkeys(each.video_id for each in events if each.video_id is not None)
    return orjson.dumps({"renders": [*renders], "types": [*dict.fromkeys(each.type for each in events)]})

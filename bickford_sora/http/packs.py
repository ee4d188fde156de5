"""`/v1/audit/pack`: evidence as one archive that opens offline. Not in the protocol."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest, NotFound, TryLater
from bickford_sora.http.audit import FILTER_CHARS_MAX, Asked, filters_of
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheCaller, TheHouse, authenticated
from bickford_sora.http.lacking import facts_lacking, read_models_behind
from bickford_sora.http.roles import OVERSEES

PACK_SENT_FACTS_MAX = 5_000
"""Most facts of a pack that is asked for by HTTP: it is made where others are answered. The command takes more."""
PACK_BYTES_IN_MEMORY_MAX = 1024 * 1024
"""A larger pack waits in a file until it is sent."""
CHUNK_BYTES = 64 * 1024
ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=[Depends(authenticated)], responses=REFUSALS)

VideoId = Annotated[str | None, Query(max_length=FILTER_CHARS_MAX, description="About this video.")]
Moment = Annotated[datetime | None, Query(description="Or recorded from here, in ISO 8601.")]
Until = Annotated[datetime | None, Query(description="As `since`; excluded.")]


@router.get("/pack", summary="Download evidence", dependencies=[OVERSEES], response_class=Response, responses=ZIP)
async def pack(
    house: TheHouse, caller: TheCaller, video_id: VideoId = None, since: Moment = None, until: Until = None
) -> StreamingResponse:
    """One zip file about a video or a period: a page, facts, policies, prices, receipts, and the program that checks.

    Texts that people wrote stay sealed in it. Facts behind the newest checkpoint are named as not covered yet. How many
    facts could not be looked through for it, because this version cannot read their streams, is on the page.
    """
    return await archive(house, caller, Asked(video_id=video_id, since=since, until=until))


async def archive(house: House, caller: Caller, asked: Asked) -> StreamingResponse:
    """The zip file, of what the caller reads. Raises NotFound, InvalidRequest, and TryLater where it has no room."""
    name, content = await house.packing.run(_packed, house, caller, asked)
    log.info("evidence_packed", actor=caller.key_id, about=name)
    headers = {"content-disposition": f'attachment; filename="{name}.zip"', "cache-control": "no-store"}
    return StreamingResponse(_chunks(content), media_type="application/zip", headers=headers)


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    with content:
        while chunk := content.read(CHUNK_BYTES):
            yield chunk


# What follows runs in the synchronous world, behind the crossing.


def _packed(house: House, caller: Caller, asked: Asked) -> tuple[str, IO[bytes]]:
    title, positions = _title(asked), _positions(house, caller, asked)
    content = tempfile.SpooledTemporaryFile(PACK_BYTES_IN_MEMORY_MAX)  # noqa: SIM115 - who sends it closes it
    try:
        parked = house.audits.parked(caller)
        house.packs.pack(title, positions, tenant=caller.tenant, parked=parked).write(content)
        content.seek(0)
    except OSError as error:
        content.close()
        raise TryLater("The evidence could not be packed. Ask again in a while.", code="pack_failed") from error
    except BaseException:
        content.close()
        raise
    return "-".join(title.lower().replace(":", "").split()), content


def _title(asked: Asked) -> str:
    """What it is about. Raises InvalidRequest unless that is one thing."""
    about_period = asked.since is not None or asked.until is not None
    if (asked.video_id is None) is not about_period:
        raise InvalidRequest("Say what it is about: either a video_id, or since and until.", code="pack_of_nothing")
    if asked.video_id is not None:
        return f"Evidence on {asked.video_id}"
    if asked.since is None or asked.until is None:
        raise InvalidRequest("A period has both since and until.", code="pack_of_nothing")
    return f"Evidence from {asked.since.isoformat()}..{asked.until.isoformat()}"


def _positions(house: House, caller: Caller, asked: Asked) -> list[int]:
    if asked.video_id is not None:
        house.intake.find(caller, asked.video_id)
    filters, between = filters_of(asked)
    if facts_lacking(house):
        raise read_models_behind()
    found = house.audits.positions(caller, filters, between, most=PACK_SENT_FACTS_MAX + 1)
    if len(found) > PACK_SENT_FACTS_MAX:
        raise InvalidRequest(
            f"That is more than {PACK_SENT_FACTS_MAX} facts. Take a shorter period, the command, or an export.",
            code="pack_too_large",
        )
    if not found:
        raise NotFound("Nothing was recorded in this period.", code="nothing_recorded")
    return found

"""`/v1/ledger/…`: checkpoints, tiles and proofs (c2sp.org/tlog-tiles), and receipts. Not in the Videos API.

Checkpoints and tiles have hashes in them and nothing else, so any key may have them. A receipt has the envelope of its
fact, and goes to whoever may see the fact.
"""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from bickford_sora.audits import FACT_NOT_FOUND
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import NotFound, NotReady
from bickford_sora.http import documentation
from bickford_sora.http.house import House, TheCaller, TheHouse, authenticated
from bickford_sora.http.lacking import facts_lacking, one_may_be
from bickford_sora.http.roles import OVERSEES, READS
from ledger.port import POSITION_MAX
from ledger.proof.errors import Malformed, NotCovered
from ledger.proof.receipts import Receipt
from ledger.proof.tiles import Tile
from projections.audit import Filters

TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
"""What a note or a receipt is described as: named here and not by the class, or refusals would be text as well."""
FRESH = {"cache-control": "no-cache"}
IMMUTABLE = {"cache-control": "private, max-age=31536000, immutable"}
Size = Annotated[int, Query(ge=0, le=POSITION_MAX)]

router = APIRouter(tags=["proof"], dependencies=[Depends(authenticated)], responses=documentation.REFUSALS)


class Consistency(BaseModel):
    """That the facts of one checkpoint are the beginning of those of another (RFC 6962 section 2.1.2)."""

    object: str = "ledger.consistency_proof"
    old_size: int
    new_size: int
    proof: list[str]
    """SHA-256 hashes in base64."""


@router.get(
    "/v1/ledger/checkpoint",
    summary="The newest checkpoint",
    dependencies=[READS],
    response_class=Response,
    responses=TEXT,
)
async def checkpoint(house: TheHouse) -> PlainTextResponse:
    """A signed note that says how many facts there are, and the root above them (c2sp.org/tlog-checkpoint)."""
    try:
        newest = await house.crossing.run(house.proofs.checkpoint)
    except NotCovered as error:
        raise not_ready(error) from None
    return PlainTextResponse(newest.note, headers=FRESH)


@router.get("/v1/ledger/tile/{path:path}", summary="A tile of hashes", dependencies=[READS], response_class=Response)
async def tile(path: str, house: TheHouse) -> Response:
    """Up to 256 hashes of the tree, at `LEVEL/INDEX[.p/WIDTH]` (c2sp.org/tlog-tiles). It never changes."""
    try:
        hashes = await house.crossing.run(lambda: house.proofs.tree.tile(Tile.parse(path)))
    except (Malformed, NotCovered):
        raise NotFound("There is no such tile.", code="tile_not_found", param="path") from None
    return Response(hashes, media_type="application/octet-stream", headers=IMMUTABLE)


@router.get("/v1/ledger/proof/consistency", summary="Prove that nothing before was changed", dependencies=[READS])
async def consistency(
    house: TheHouse, from_: Annotated[Size, Query(alias="from")], to: Annotated[Size, Query()]
) -> Consistency:
    """That the first `from` facts are the beginning of the first `to`."""
    try:
        proof = await house.crossing.run(house.proofs.consistency, from_, to)
    except NotCovered as error:
        raise not_ready(error) from None
    return Consistency(old_size=from_, new_size=to, proof=[base64.b64encode(each).decode() for each in proof])


@router.get(
    "/v1/ledger/proof",
    summary="The receipt of a fact",
    dependencies=[OVERSEES],
    response_class=Response,
    responses=TEXT,
)
async def receipt(
    house: TheHouse, caller: TheCaller, position: Annotated[int, Query(ge=1, le=POSITION_MAX)]
) -> PlainTextResponse:
    """That the fact at this position is under the newest checkpoint (c2sp.org/tlog-proof)."""
    return receipt_file(await house.listing.run(receipt_at, house, caller, position))


@router.get(
    "/v1/videos/{video_id}/receipt",
    summary="The receipt of a video's fact",
    dependencies=[READS],
    response_class=Response,
    responses=TEXT,
)
async def video_receipt(
    video_id: str,
    house: TheHouse,
    caller: TheCaller,
    version: Annotated[int | None, Query(ge=1, description="Which of its facts; else the last one.")] = None,
) -> PlainTextResponse:
    """That a fact of this video is under the newest checkpoint (c2sp.org/tlog-proof)."""
    return receipt_file(await house.crossing.run(_receipt_of_video, house, caller, video_id, version))


def receipt_at(house: House, caller: Caller, position: int) -> Receipt:
    """The receipt of a fact that the caller may see in the stream of all facts.

    Raises NotFound, TryLater where the audit may lack the fact, and NotReady.
    """
    filters, lacking = Filters(project=caller.readable), facts_lacking(house)
    with one_may_be(lacking):
        seen = house.audits.query.events(caller.tenant, filters, after=position - 1, limit=1)
        if not seen or seen[0].position != position:
            raise NotFound(
                "No fact that can be read with this key is at this position.", code=FACT_NOT_FOUND, param="position"
            )
    return _receipt(house, position)


def _receipt_of_video(house: House, caller: Caller, video_id: str, version: int | None) -> Receipt:
    render = house.intake.find(caller, video_id)
    wanted = render.version if version is None else version
    if wanted > render.version:
        raise NotFound("The video has no such fact.", code="fact_not_found", param="version")
    return _receipt(house, house.proofs.position(render.stream, wanted))


def _receipt(house: House, position: int) -> Receipt:
    try:
        return house.proofs.receipt(position)
    except NotCovered as error:
        raise not_ready(error) from None


def receipt_file(found: Receipt) -> PlainTextResponse:
    """A receipt as a file to keep."""
    name = f'attachment; filename="{found.index + 1}.tlog-proof"'
    return PlainTextResponse(str(found), headers={**FRESH, "content-disposition": name})


def not_ready(error: NotCovered) -> NotReady:
    """The error for what no checkpoint covers yet."""
    return NotReady(f"{str(error)[0].upper()}{str(error)[1:]}.", code=error.code)

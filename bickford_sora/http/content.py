"""A video's files, from our storage: whole, in part, or only their description."""

from collections.abc import AsyncIterator, Generator
from typing import Literal

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from bickford_sora.assets.errors import AssetNotFound
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import Conflicting, Gone, InvalidRequest, NotFound, NotReady
from bickford_sora.http.crossing import Crossing
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheCaller, TheHouse, authenticated
from bickford_sora.http.ranges import Unsatisfiable, is_unchanged, requested_range
from ledger import streams
from ledger.events import Asset
from ledger.lifecycle import Phase

Variant = Literal["video", "thumbnail", "spritesheet"]

router = APIRouter(prefix="/v1/videos", tags=["videos"], dependencies=[Depends(authenticated)], responses=REFUSALS)

_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}


@router.head("/{video_id}/content", include_in_schema=False)
@router.get("/{video_id}/content", summary="Download a video's file", response_class=StreamingResponse)
async def content(
    video_id: str, request: Request, house: TheHouse, caller: TheCaller, variant: Variant = "video"
) -> Response:
    """The file, or the range of it that is asked for."""
    if streams.is_video_id(video_id):
        structlog.contextvars.bind_contextvars(video_id=video_id)
    asset = await house.crossing.run(_asset, house, caller, video_id, variant)
    etag = f'"{asset.sha256}"'
    headers = _headers(asset, etag, f"{video_id}-{variant}")
    if is_unchanged(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    try:
        part = requested_range(
            request.headers.get("range"), request.headers.get("if-range"), etag=etag, size_bytes=asset.bytes
        )
    except Unsatisfiable:
        return _unsatisfiable(asset)
    return await _answer(house, asset, part, headers, with_body=request.method == "GET")


async def _answer(
    house: House, asset: Asset, part: range | None, headers: dict[str, str], *, with_body: bool
) -> Response:
    covered = range(asset.bytes) if part is None else part
    headers["content-length"] = str(len(covered))
    if part is not None:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{asset.bytes}"
    source = await house.crossing.run(_open, house, asset, covered)
    status = 200 if part is None else 206
    if with_body:
        return StreamingResponse(_chunks(house.crossing, source), status, headers, asset.media_type)
    source.close()
    return Response(None, status, headers, asset.media_type)


async def _chunks(crossing: Crossing, source: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    try:
        while chunk := await crossing.run(next, source, b""):
            yield chunk
    finally:
        source.close()


def _headers(asset: Asset, etag: str, name: str) -> dict[str, str]:
    extension = _EXTENSIONS.get(asset.media_type, "bin")
    return {
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f'inline; filename="{name}.{extension}"',
    }


def _unsatisfiable(asset: Asset) -> JSONResponse:
    error = InvalidRequest(f"The file has {asset.bytes} bytes.", code="range_not_satisfiable", param="Range")
    return JSONResponse(error.body(), 416, {"content-range": f"bytes */{asset.bytes}"})


# What follows runs in the synchronous world, behind the crossing.


def _asset(house: House, caller: Caller, video_id: str, variant: Variant) -> Asset:
    """The stored file. Raises NotFound, NotReady while there is none yet, Conflicting when there never will be."""
    render = house.intake.find(caller, video_id)
    if render.phase is not Phase.STORED:
        if render.ended:
            raise Conflicting(
                "The render failed; it has no file. Its error says why.", code="video_failed", param="video_id"
            )
        raise NotReady(
            "The video is not ready yet. Download it when its status is completed.",
            code="video_not_completed",
            param="video_id",
        )
    for asset in render.assets:
        if asset.variant == variant:
            return asset
    raise NotFound(f"This video has no {variant}.", code="variant_not_found", param="variant")


def _open(house: House, asset: Asset, covered: range) -> Generator[bytes, None, None]:
    try:
        return house.assets.open(asset.storage_uri, covered.start, covered.stop)
    except AssetNotFound:
        raise Gone("The file is no longer available.", code="content_gone", param="video_id") from None

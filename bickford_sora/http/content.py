"""A video's files, from our storage: whole, in part, or only their description.

Asked for by API key, or by a signed link (`bickford_sora.http.links`) in its place.
"""

from collections.abc import AsyncIterator, Generator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from bickford_sora.assets.errors import AssetNotFound
from bickford_sora.decisions.caller import ROLES, Caller
from bickford_sora.errors import Conflicting, Gone, InvalidRequest, NotFound, NotReady, PreconditionFailed
from bickford_sora.http.crossing import Crossing
from bickford_sora.http.documentation import REFUSALS
from bickford_sora.http.house import House, TheHouse, authenticated, bearer
from bickford_sora.http.links import Signature
from bickford_sora.http.ranges import Unsatisfiable, is_another, is_unchanged, requested_range
from ledger import streams
from ledger.events import Asset
from ledger.render import Phase, Render

router = APIRouter(prefix="/v1/videos", tags=["videos"], dependencies=[Depends(bearer)], responses=REFUSALS)

_EXTENSIONS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}
PLAYS_ITSELF = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of a file: a browser that is led to it shows it, and runs nothing."""
VARIANT = r"^(video|thumbnail|spritesheet|[0-9]{1,2})$"
"""What files there may be: by what they are, or by the number of the output."""

Variant = Annotated[
    str,
    Query(pattern=VARIANT, description="`video`, `thumbnail`, `spritesheet`; or which of several outputs, from 0."),
]


async def _reader(
    request: Request,
    signature: Annotated[str | None, Query(description="Of a signed link: takes the place of the API key.")] = None,
    expires: Annotated[str | None, Query(description="Of a signed link: the Unix second it ends.")] = None,
    tenant: Annotated[str | None, Query(description="Of a signed link: whose video it is.")] = None,
) -> Caller | Signature:
    """Who reads: whoever has a signed link, else a caller. Raises Unauthorized and RoleMissing."""
    if signature is not None:
        return Signature(expires, signature, tenant)
    caller = await authenticated(request, None)
    caller.check(*ROLES)
    return caller


TheReader = Annotated[Caller | Signature, Depends(_reader)]


@router.head("/{video_id}/content", include_in_schema=False)
@router.get("/{video_id}/content", summary="Download a video's file", response_class=StreamingResponse)
async def content(
    video_id: str, request: Request, house: TheHouse, reader: TheReader, variant: Variant = "video"
) -> Response:
    """The file, or the range of it that is asked for."""
    if streams.is_video_id(video_id):
        structlog.contextvars.bind_contextvars(video_id=video_id)
    render = await house.crossing.run(_render, house, reader, video_id, variant)
    return await _answer(request, house, _asset(render, variant), f"{video_id}-{variant}")


async def _answer(request: Request, house: House, asset: Asset, name: str) -> Response:
    """The conditions in the order of RFC 9110 section 13.2.2."""
    etag = f'"{asset.sha256}"'
    if is_another(_listed(request, "if-match"), etag):
        raise PreconditionFailed(
            "The file is another one than If-Match names.", code="precondition_failed", param="If-Match"
        )
    if is_unchanged(_listed(request, "if-none-match"), etag):
        return Response(status_code=304, headers=_headers(etag))
    if request.method == "HEAD":  # a range means something to GET only (section 14.2)
        return await _sent(house, asset, None, name, with_body=False)
    try:
        part = requested_range(
            request.headers.get("range"), request.headers.get("if-range"), etag=etag, size_bytes=asset.bytes
        )
    except Unsatisfiable:
        return _unsatisfiable(asset)
    return await _sent(house, asset, part, name, with_body=True)


async def _sent(house: House, asset: Asset, part: range | None, name: str, *, with_body: bool) -> Response:
    covered = range(asset.bytes) if part is None else part
    headers = _headers(f'"{asset.sha256}"')
    headers["accept-ranges"] = "bytes"
    headers["content-disposition"] = f'inline; filename="{name}.{_EXTENSIONS.get(asset.media_type, "bin")}"'
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


def _listed(request: Request, name: str) -> str | None:
    """A header that is a list, and may come in several lines."""
    lines = request.headers.getlist(name)
    return ",".join(lines) if lines else None


def _headers(etag: str) -> dict[str, str]:
    """What also a 304 says. A browser may keep the file and asks each time; a shared cache may not, link or key."""
    return {"etag": etag, "cache-control": "private, no-cache", "content-security-policy": PLAYS_ITSELF}


def _unsatisfiable(asset: Asset) -> JSONResponse:
    error = InvalidRequest(f"The file has {asset.bytes} bytes.", code="range_not_satisfiable", param="Range")
    return JSONResponse(error.body(), 416, {"content-range": f"bytes */{asset.bytes}"})


def _asset(render: Render, variant: str) -> Asset:
    """The stored file.

    Raises NotReady while there is none yet, Conflicting when there never will be, Gone when its time is over or it was
    erased, NotFound for a variant there is not.
    """
    if render.erased:
        raise Gone("This video was erased.", code="video_erased", param="video_id")
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
    if render.expired:
        raise _gone()
    wanted = ("video", int(variant)) if variant.isdecimal() else (variant, 0)
    for asset in render.assets:
        if (asset.variant, asset.output) == wanted:
            return asset
    raise NotFound(f"This video has no {_shown(variant)}.", code="variant_not_found", param="variant")


def _shown(variant: str) -> str:
    return f"output {variant}" if variant.isdecimal() else variant


def _gone() -> Gone:
    return Gone("The file is no longer kept.", code="content_gone", param="video_id")


# What follows runs in the synchronous world, behind the crossing.


def _render(house: House, reader: Caller | Signature, video_id: str, variant: str) -> Render:
    if isinstance(reader, Signature):
        return house.links.render(video_id, variant, reader)
    return house.intake.find(reader, video_id)


def _open(house: House, asset: Asset, covered: range) -> Generator[bytes, None, None]:
    try:
        return house.assets.open(asset.storage_uri, covered.start, covered.stop)
    except AssetNotFound:
        raise _gone() from None

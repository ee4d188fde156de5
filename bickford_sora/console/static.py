"""Our own style and script, and htmx: files that ship with the program, addressed by their content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from bickford_sora.errors import NotFound

MEDIA_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""All there are. Whatever else lies beside them is not served."""
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"

router = APIRouter(prefix="/static", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    """One of them."""

    content: bytes
    media_type: str
    digest: str


@cache
def _files() -> dict[str, File]:
    """Every file, read once."""
    folder = files("bickford_sora.console").joinpath("static")
    found = {}
    for name, media_type in MEDIA_TYPES.items():
        content = folder.joinpath(name).read_bytes()
        found[name] = File(content, media_type, hashlib.sha256(content).hexdigest()[:16])
    return found


def address_of(name: str) -> str:
    """Where a file is; it changes with the file, so that browsers keep it for good. Raises KeyError."""
    return f"/static/{name}?v={_files()[name].digest}"


@router.get("/{name}")
async def serve(name: str, request: Request) -> Response:
    """One file."""
    file = _files().get(name)
    if file is None:
        return JSONResponse(NotFound("There is no such file.", code="unknown_url").body(), 404)
    is_this = request.query_params.get("v") == file.digest
    lasting = "public, max-age=31536000, immutable" if is_this else "no-cache"
    headers = {"cache-control": lasting, "content-security-policy": CONTENT_POLICY}
    return Response(file.content, headers=headers, media_type=file.media_type)

"""A render's files for a browser that is signed in: the same as by API key, at an address that stays."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from bickford_sora.console.console import TheVisit, opened_by
from bickford_sora.console.routing import PageRoute
from bickford_sora.errors import NotFound
from bickford_sora.http.content import VARIANT, content
from bickford_sora.http.roles import READS

BLANK = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"/>'

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.head("/files/{video_id}/{variant}", dependencies=[opened_by(READS)])
@router.get("/files/{video_id}/{variant}", dependencies=[opened_by(READS)])
async def file(
    video_id: str, variant: Annotated[str, Path(pattern=VARIANT)], request: Request, visit: TheVisit
) -> Response:
    """The file, or the range of it that is asked for. A list shows a blank in place of a thumbnail there is not."""
    try:
        return await content(video_id, request, visit.house, visit.caller, variant)
    except NotFound as error:
        if variant == "thumbnail" and error.code == "variant_not_found":
            return Response(BLANK, headers={"cache-control": "private, no-cache"}, media_type="image/svg+xml")
        raise

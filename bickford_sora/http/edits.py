"""New videos from whole ones: edits and extensions of an upload, or of a video of this project."""

from fastapi import APIRouter, Depends, Request, Response

from bickford_sora.decisions.request import edit_request, extension_request
from bickford_sora.http import asking, documentation
from bickford_sora.http.house import TheOrder, authenticated
from bickford_sora.http.roles import ASKS
from bickford_sora.http.video_object import Video

router = APIRouter(
    prefix="/v1/videos",
    tags=["videos"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
)


@router.post(
    "/edits", summary="Edit a video", dependencies=[ASKS], response_model=Video, openapi_extra=documentation.EDIT
)
async def edit(request: Request, order: TheOrder) -> Response:
    """A new video of the source's length and size, changed as the prompt says."""
    return await asking.ask_with_source(request, order, "edit", lambda form: edit_request(form.fields, form.files))


@router.post(
    "/extensions",
    summary="Extend a video",
    dependencies=[ASKS],
    response_model=Video,
    openapi_extra=documentation.EXTENSION,
)
async def extend(request: Request, order: TheOrder) -> Response:
    """A new video that goes on where the source ends; its `seconds` are both together."""
    return await asking.ask_with_source(
        request, order, "extend", lambda form: extension_request(form.fields, form.files)
    )

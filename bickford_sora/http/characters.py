"""Characters of the Videos API: make one from a video, and look at it."""

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from bickford_sora.decisions import characters as decisions
from bickford_sora.decisions.requesters import PARAM as REQUESTER
from bickford_sora.http import documentation
from bickford_sora.http.asking import FORM_BYTES_MAX
from bickford_sora.http.bodies import read_body
from bickford_sora.http.forms import parse
from bickford_sora.http.house import House, Order, TheCaller, TheHouse, TheOrder, authenticated
from bickford_sora.http.roles import ASKS, READS
from bickford_sora.http.video_object import VideoError
from ledger.characters import Character as State
from ledger.characters import Status
from ledger.events import CharacterRefused

router = APIRouter(
    prefix="/v1/videos/characters",
    tags=["characters"],
    dependencies=[Depends(authenticated)],
    responses=documentation.REFUSALS,
)

_CREATE: dict[str, Any] = {
    **documentation.RETRY,
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": decisions.NAME_CHARS_MAX},
                        "video": {"type": "string", "format": "binary", "description": "An MP4 that shows it."},
                    },
                    "required": ["name", "video"],
                    "additionalProperties": False,
                }
            }
        },
    },
}


class Character(BaseModel):
    """The protocol's character object."""

    id: str
    object: Literal["character"] = "character"
    created_at: int
    """Unix seconds."""
    name: str | None
    """Null once it was erased."""
    status: Status
    """Not in the protocol: how it stands, where its making was not answered."""
    error: VideoError | None
    """Why there is no character. Not in the protocol."""


@router.post("", summary="Make a character from a video", dependencies=[ASKS], openapi_extra=_CREATE)
async def create(request: Request, order: TheOrder) -> Character:
    """Asks the renderer, once, and answers when the character is there."""
    limits = order.house.limits
    bytes_max = max(limits.body_bytes_max, limits.source_bytes_max + FORM_BYTES_MAX)
    body = await read_body(request, bytes_max=bytes_max, silence_s=limits.body_silence_s)
    return await order.house.making.run(_create, order, request.headers.get("content-type"), body)


@router.get("/{character_id}", summary="Retrieve a character", dependencies=[READS])
async def retrieve(character_id: str, house: TheHouse, caller: TheCaller) -> Character:
    """The character as it is now, from its own facts."""
    return await house.crossing.run(lambda: _shown(house, house.characters.find(caller, character_id)))


# What follows runs in the synchronous world, behind the crossing.


def _create(order: Order, content_type: str | None, body: bytes) -> Character:
    form = parse(content_type, body)
    order = order.on_behalf_of(form.fields.pop(REQUESTER, None))
    asked = decisions.read(form.fields, form.files)
    made = order.house.characters.create(order.caller, asked, key=order.key, origin=order.origin)
    return _shown(order.house, made)


def _shown(house: House, character: State) -> Character:
    refused = character.outcome if isinstance(character.outcome, CharacterRefused) else None
    return Character(
        id=character.requested.character_id,
        created_at=int(character.created_at.timestamp()),
        name=house.characters.name(character),
        status=character.status(house.characters.recording.clock()),
        error=VideoError(code=refused.code, message="The renderer did not make it.") if refused else None,
    )

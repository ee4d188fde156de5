"""What a client asks of a character, checked, who can make it, and the facts it leads to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue, ModelOffer
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.intent import Binding
from bickford_sora.decisions.media import SOURCE, File
from bickford_sora.decisions.wrong import VALUE_CHARS_SHOWN_MAX
from bickford_sora.errors import InvalidRequest, Unsupported
from ledger import streams
from ledger.characters import Character, Outcome
from ledger.envelope import Fact, Sealed
from ledger.events import CharacterRequested, IdempotencyBound, SourceVideo

NAME_CHARS_MAX = 80
"""Longest name in characters (Videos API)."""
NAME = "name"


@dataclass(frozen=True, slots=True)
class Asked:
    """A character a client wants."""

    name: str = field(repr=False)
    video: File


@dataclass(frozen=True, slots=True)
class Place:
    """Who is asked to make it."""

    renderer: str
    credential: str
    replica: str


def read(fields: Mapping[str, object], files: Mapping[str, File]) -> Asked:
    """The character in a form. Raises InvalidRequest naming what is wrong or missing."""
    for unknown in (*(fields.keys() - {NAME, SOURCE}), *(files.keys() - {SOURCE})):
        shown = unknown[:VALUE_CHARS_SHOWN_MAX]
        raise InvalidRequest(f"Unknown parameter: {shown!r}.", code="unknown_parameter", param=shown)
    return Asked(_name(fields.get(NAME)), _video(fields, files.get(SOURCE)))


def capable(catalogue: Catalogue) -> ModelOffer | None:
    """The first on offer whose renderer makes characters; None when none does."""
    offers = (offer for route in catalogue.routes.values() for offer in route.offers)
    return next((offer for offer in offers if offer.capabilities.characters), None)


def unsupported() -> Unsupported:
    """What is said where no renderer makes characters; nothing was recorded."""
    return Unsupported("No configured renderer makes characters.", code="unsupported_by_renderer")


def requested(
    caller: Caller,
    character_id: str,
    name: Sealed,
    source: SourceVideo,
    place: Place,
    *,
    deadline_at: datetime,
    binding: Binding | None,
) -> Draft:
    """The request, and with it the binding of its Idempotency-Key: one key, one call."""
    stream = streams.character(caller.tenant, character_id)
    bound = streams.idempotency(caller.tenant, caller.project, binding.key) if binding else None
    fact = CharacterRequested(
        character_id=character_id,
        project=caller.project,
        requester=caller.requester,
        name=name,
        source_video=source,
        renderer=place.renderer,
        credential=place.credential,
        replica=place.replica,
        deadline_at=deadline_at,
        idempotency_stream=bound,
    )
    facts: list[tuple[str, Fact]] = [(stream, fact)]
    heads = {**caller.heads, stream: 0}
    if binding and bound:
        facts.append((bound, _bound(caller, character_id, binding)))
        heads[bound] = 0
    return Draft(tuple(facts), heads)


def settled(character: Character, outcome: Outcome) -> Draft:
    """What came of the call. Known once: nothing is added to it."""
    if character.outcome is not None:
        return NOTHING
    return Draft(((character.stream, outcome),), {character.stream: character.version})


def _bound(caller: Caller, character_id: str, binding: Binding) -> IdempotencyBound:
    return IdempotencyBound(
        request_hash=binding.request_hash,
        video_id=character_id,
        project=caller.project,
        requester=caller.requester,
    )


def _name(given: object) -> str:
    if given is None:
        raise InvalidRequest("Missing required parameter: 'name'.", code="missing_required_parameter", param=NAME)
    if not isinstance(given, str):
        raise InvalidRequest("Invalid type for 'name': it is a text.", code="invalid_type", param=NAME)
    if not given.strip() or len(given) > NAME_CHARS_MAX:
        raise InvalidRequest(
            f"A character's name has 1 to {NAME_CHARS_MAX} characters.", code="invalid_value", param=NAME
        )
    return given


def _video(fields: Mapping[str, object], file: File | None) -> File:
    if file is None or SOURCE in fields:
        raise InvalidRequest(
            "Send the character's video as a file in a multipart/form-data body; neither JSON nor an id can carry it.",
            code="file_required",
            param=SOURCE,
        )
    return file

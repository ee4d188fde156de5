"""Making characters: one call of the renderer each, recorded before it is made and after it.

The protocol answers when the character is there, so the client waits for the renderer. What that wait can leave open is
on record: a character whose outcome is unknown is never asked for again by us.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import structlog

from bickford_sora.assets.errors import AssetError
from bickford_sora.clocks import CheckTime, unchecked
from bickford_sora.decisions import characters as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.characters import Asked, Place
from bickford_sora.decisions.intent import Binding
from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest, NotFound, OutcomeUnknown, TryLater
from bickford_sora.idempotency import Idempotency
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import Origin, Recording
from bickford_sora.references import Clip, References
from bickford_sora.renderers.errors import Refused, RendererError, UnknownOutcome
from bickford_sora.renderers.port import Renderer, Upload
from ledger import characters, streams
from ledger.characters import Character, Outcome
from ledger.envelope import Sealed
from ledger.errors import Conflict, Erased, Unavailable
from ledger.events import CharacterCreated, CharacterRefused, CharacterUnknown, SourceVideo
from ledger.keys import Keys

ROUTE = "characters"
UNREADABLE = "reference_unavailable"
"""Code of a refusal of our own: the video could not be read from our storage, and nothing was sent."""
MESSAGE_CHARS_MAX = 2_000
"""How much of a renderer's own words is kept."""
OF_THE_REQUEST = frozenset(
    {"renderer_request_invalid", "renderer_request_too_large", "renderer_refused", "unsupported_by_renderer"}
)
"""Codes of refusals that are about what was sent; all others are about the renderer, or our credential."""

log = structlog.get_logger(__name__)

FindRenderer = Callable[[str, str], Renderer | None]
"""The renderer of this name and credential; None when it is not configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """Creates and finds characters. Safe to use from several threads.

    Another project's character is NotFound like one that never was. Raises `ledger.errors.Unavailable` when the
    database does not answer, which is before the renderer was called.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    references: References
    catalogue: Callable[[], Catalogue]
    """What is offered now."""
    renderer: FindRenderer
    call_s: float
    """Longest time one call of a renderer takes, in seconds."""
    check_time: CheckTime = unchecked
    """Asked before anything is accepted."""

    def create(self, caller: Caller, asked: Asked, *, key: str | None, origin: Origin) -> Character:
        """A new character, or the one this very request made before.

        Raises InvalidRequest for a video that cannot be used, or that the renderer refuses, Unsupported where no
        renderer makes characters, KeyReused, OutcomeUnknown when nobody knows whether it was made, TryLater when it
        certainly was not.
        """
        binding = self._binding(caller, key, asked)
        replayed = self._replay(caller, binding)
        if replayed is not None:
            return self._answered(replayed)
        self.check_time()
        offer = decisions.capable(self.catalogue())
        renderer = self.renderer(offer.renderer, offer.credential) if offer else None
        if renderer is None:
            raise decisions.unsupported()
        clip = self.references.clip(asked.video)
        character_id = streams.character_id(self.recording.new_id())
        source = self.references.keep_clip(caller, character_id, Clip(File(asked.video.content), clip.facts))
        draft = decisions.requested(
            caller,
            character_id,
            self._sealed(asked.name, caller.requester, character_id, "character.requested.name"),
            source,
            Place(renderer.name, renderer.credential, renderer.replica),
            deadline_at=self.recording.clock() + timedelta(seconds=self.call_s),
            binding=binding,
        )
        try:
            self.recording.append(draft, origin)
        except Conflict:  # another request bound the key first: what it made is the answer; or the API key moved on
            self.references.drop(source)
            replayed = self._replay(IssuedKeys(self.recording.ledger, self.recording.clock).confirmed(caller), binding)
            if replayed is None:
                raise TryLater("The API key was rotated. Send the request again.", code="conflict") from None
            return self._answered(replayed)
        character = self._there(caller.tenant, character_id)
        # The ledger says that the renderer may have been asked. A crash from here to the record of the outcome leaves
        # it unknown after the deadline: it is never asked a second time.
        return self._answered(self._settled(character, self._asked(renderer, asked, source, character), origin))

    def find(self, caller: Caller, character_id: str) -> Character:
        """A character the caller reads, however it stands. Raises NotFound."""
        character = self._folded(caller.tenant, character_id) if streams.is_character_id(character_id) else None
        if character is None or not caller.reads(character.requested.project):
            raise NotFound("No character with this id exists.", code="character_not_found", param="character_id")
        return character

    def name(self, character: Character) -> str | None:
        """The name in the clear, None once it was erased."""
        return self._opened(character.requested.name)

    def _binding(self, caller: Caller, key: str | None, asked: Asked) -> Binding | None:
        if key is None:
            return None
        idempotency = Idempotency(self.recording.ledger, self.keys)
        video = self.keys.digest("reference", asked.video.content)
        return idempotency.binding(
            key, idempotency.hash_of(ROUTE, {"name": asked.name, "video": video}, named=caller.named)
        )

    def _replay(self, caller: Caller, binding: Binding | None) -> Character | None:
        """What this key made before. Raises KeyReused when something else was asked with it."""
        if binding is None:
            return None
        bound = Idempotency(self.recording.ledger, self.keys).bound(caller, binding)
        return self._folded(caller.tenant, bound.video_id) if bound else None

    def _asked(self, renderer: Renderer, asked: Asked, source: SourceVideo, character: Character) -> Outcome:
        """Calls the renderer, once."""
        video = Upload("character.mp4", source.media_type, lambda: self.references.assets.open(source.storage_uri))
        character_id = character.requested.character_id
        try:
            made = renderer.create_character(asked.name, video, idempotency_key=character_id)
        except Refused as error:
            return CharacterRefused(
                code=error.code, http_status=error.http_status, message=self._words(character, error)
            )
        except UnknownOutcome as error:
            log.warning("character_unknown", character_id=character_id, code=error.code)
            return CharacterUnknown(code=error.code, http_status=error.http_status)
        except AssetError:  # comes before anything is sent (the port)
            return CharacterRefused(code=UNREADABLE)
        return CharacterCreated(
            renderer=renderer.name,
            credential=renderer.credential,
            replica=renderer.replica,
            renderer_character_id=made.character_id,
        )

    def _settled(self, character: Character, outcome: Outcome, origin: Origin) -> Character:
        where = Origin(origin.tenant, origin.actor, origin.correlation, character.last_event_id, origin.trace)
        try:
            self.recording.append(decisions.settled(character, outcome), where)
        except Unavailable as error:
            raise self._unknown(character) from error
        if isinstance(outcome, CharacterRefused):
            self.references.drop(character.requested.source_video)
        return self._there(character.tenant, character.requested.character_id)

    def _answered(self, character: Character) -> Character:
        """The character when it is there, else the error that says how it stands."""
        status = character.status(self.recording.clock())
        if status == "in_progress":
            raise TryLater("This character is still being made. Send the request again.", code="character_in_progress")
        if status == "unknown":
            raise self._unknown(character)
        if isinstance(character.outcome, CharacterRefused):
            raise self._refusal(character.outcome)
        return character

    def _refusal(self, refused: CharacterRefused) -> InvalidRequest | TryLater:
        if refused.code in OF_THE_REQUEST:
            said = self._opened(refused.message) if refused.message else None
            words = f": {said}" if said else ". Send another video, or another name"
            return InvalidRequest(f"The renderer refused the character{words}.", code="character_refused")
        return TryLater(
            "The renderer did not make the character. Ask again, with a new Idempotency-Key if there was one.",
            code="character_not_made",
        )

    def _unknown(self, character: Character) -> OutcomeUnknown:
        character_id = character.requested.character_id
        return OutcomeUnknown(
            f"It is not known whether the renderer made the character {character_id}, and it is not asked again. "
            "Retrieve it by this id to see how it stands.",
            code="character_unknown",
        )

    def _there(self, tenant: str, character_id: str) -> Character:
        character = self._folded(tenant, character_id)
        assert character is not None, f"{character_id} has no facts"  # noqa: S101 - it was just recorded
        return character

    def _folded(self, tenant: str, character_id: str) -> Character | None:
        stream = streams.character(tenant, character_id)
        return cast("Character | None", self.recording.ledger.fold(stream, characters.fold))

    def _words(self, character: Character, error: RendererError) -> Sealed | None:
        """What a renderer said, None when it said nothing, or nobody may read it any more."""
        was, said = character.requested, (error.message or "")[:MESSAGE_CHARS_MAX]
        try:
            return self._sealed(said, was.requester, was.character_id, "character.refused.message") if said else None
        except Erased:
            return None

    def _sealed(self, text: str, requester: str, character_id: str, field: str) -> Sealed:
        return self.keys.seal(text, requester=requester, subject=character_id, field=field)

    def _opened(self, sealed: Sealed) -> str | None:
        try:
            return self.keys.open(sealed)
        except Erased:
            return None

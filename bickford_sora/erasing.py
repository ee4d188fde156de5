"""Erasing a render or all of a requester, as an admin asks for it (`/v1/erasures`).

    check all of it ─ record the decision ─ carry it out

Nothing is destroyed before everything was checked, and the decision is refused by the ledger when a legal hold came
meanwhile. What is decided is carried out at once as far as that goes, and by workers to its end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import erasure as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.erasure import ErasureAsked
from bickford_sora.decisions.holds import check_free
from bickford_sora.decisions.requesters import checked, id_of
from bickford_sora.erasure_list import ErasureListDamaged
from bickford_sora.erasures import Erasures
from bickford_sora.errors import TryLater
from bickford_sora.finding import unknown_video
from bickford_sora.four_eyes import FourEyes
from bickford_sora.recording import Origin
from ledger import streams
from ledger.characters import Character
from ledger.envelope import Sealed
from ledger.errors import Conflict
from ledger.events import ErasureDecided
from ledger.events.erasure import SubjectKind
from ledger.holds import Holds
from ledger.render import Render

RETENTION = "retention"
"""Who decides that the time of a prompt is over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an erasure stands."""

    subject: str
    kind: SubjectKind
    is_unreadable: bool
    """Whether its key was destroyed."""
    renders_left: int
    """Renders that are not recorded as erased yet, which workers see to."""
    files_left: int
    """Renders whose files workers still have to remove, here or at the renderer."""
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    """Decides on erasures. Safe to use from several threads.

    Raises RoleMissing and NotFound for what is not the caller's to erase, Conflicting for what is under way, held or
    locked, Unauthorized when the caller's key was revoked meanwhile, ApprovalRequired where it takes four eyes, and
    `ledger.errors.Unavailable` when the database does not answer. Asking again shows how it stands.
    """

    erasures: Erasures
    four_eyes: FourEyes

    def erase(self, caller: Caller, fields: object, *, origin: Origin) -> Standing:
        """Erases what a body names."""
        asked = decisions.read(fields)
        if asked.render is not None:
            return self._erase_render(caller, asked.render, asked, origin)
        decisions.check_administers_tenant(caller)
        requester = self._requester(caller, asked)
        return self._erase_requester(caller, requester, asked, origin)

    def end_retention(self, stream: str) -> bool:
        """Decides that a render's prompt goes, since its time is over. False when it is held, or changes right now."""
        recording = self.erasures.recording
        render = recording.render(stream)
        holds = recording.ledger.holds(render.tenant)
        if not render.ended or holds.covering(render):
            return False
        draft = decisions.decided(render, holds, "retention", None)
        try:
            if draft:
                recording.append(draft, Origin.of(render, RETENTION), on=render)
        except Conflict:
            return False
        return True

    def _erase_render(self, caller: Caller, video_id: str, asked: ErasureAsked, origin: Origin) -> Standing:
        sealed = self._sealed(caller, asked)

        def decide(who: Caller) -> tuple[Draft, Render]:
            render = self._render(who, video_id)
            holds = self.erasures.recording.ledger.holds(who.tenant)
            draft = decisions.decided(render, holds, "asked", sealed)
            if draft:
                check_free(holds.covering(render), param="render")
                decisions.check_over([render])
                decisions.check_unlocked(self._locked([render], []))
                draft = self._agreed(who, draft, video_id, asked, origin)
            return draft, render

        self._decide(caller, decide, origin)
        self._begin(self.erasures.carry_out, self._render(caller, video_id).stream)
        return self._standing(self._render(caller, video_id))

    def _erase_requester(self, caller: Caller, requester: str, asked: ErasureAsked, origin: Origin) -> Standing:
        stream = streams.requester(caller.tenant, requester)
        sealed = self._sealed(caller, asked)

        def decide(who: Caller) -> tuple[Draft, None]:
            holds = self.erasures.recording.ledger.holds(who.tenant)
            known = self.erasures.erasure(stream)
            draft = decisions.decided_of_requester(who, requester, known, holds, sealed)
            if draft:
                self._check_all(who, requester, holds)
                draft = self._agreed(who, draft, requester, asked, origin)
            return draft, None

        self._decide(caller, decide, origin)
        self._begin(self.erasures.make_unreadable, stream)
        return self._standing_of_all(caller, requester, stream)

    def _check_all(self, caller: Caller, requester: str, holds: Holds) -> None:
        """Raises Conflicting where anything of a requester is held, under way or locked."""
        subjects = self.erasures.keys.subjects(requester)
        renders = [*self.erasures.renders(caller.tenant, subjects)]
        characters = [*self.erasures.characters(caller.tenant, subjects)]
        keeping = [
            *holds.of_requester(requester),
            *(each for render in renders for each in holds.covering(render)),
            *(each for character in characters for each in holds.of_project(character.requested.project)),
        ]
        check_free(dict.fromkeys(keeping), param="requester")
        decisions.check_over(renders)
        decisions.check_unlocked(self._locked(renders, characters))

    def _decide(self, caller: Caller, decide: Callable[[Caller], tuple[Draft, Render | None]], origin: Origin) -> None:
        recording = self.erasures.recording

        def attempt(who: Caller) -> None:
            draft, render = decide(who)
            if draft:
                recording.append(draft.relying_on(who.heads), origin, on=render)

        busy = "What is to be erased is changing. Send the request again."
        decided_as(caller, recording, attempt, when_busy=busy)

    @staticmethod
    def _begin(carry_out: Callable[[str], object], stream: str) -> None:
        """Carries out what was decided, as far as it goes at once."""
        try:
            carry_out(stream)
        except (ErasureListDamaged, OSError) as error:
            log.exception("erasure_list_unavailable")
            raise TryLater(
                "This is decided, and nothing is destroyed yet: the list of erasures cannot be written. Have an "
                "operator look after it; workers carry on by themselves.",
                code="erasure_list_unavailable",
            ) from error

    def _agreed(self, caller: Caller, draft: Draft, subject: str, asked: ErasureAsked, origin: Origin) -> Draft:
        content, summary = asked.model_dump(mode="json"), f"erase {subject}"
        return draft.together_with(self.four_eyes.cleared(caller, "erasures", subject, content, summary, origin=origin))

    def _render(self, caller: Caller, video_id: str) -> Render:
        """A render of a project the caller administers, deleted or not."""
        found = self.erasures.renders(caller.tenant, [video_id])
        render = next((each for each in found if caller.reads(each.intent.project)), None)
        if render is None:
            raise unknown_video("render")
        return render

    def _requester(self, caller: Caller, asked: ErasureAsked) -> str:
        """The opaque id of a requester of whom this tenant has something. Raises NotFound."""
        requester = asked.requester
        if requester is None:
            name = checked(asked.requester_name, "requester_name")
            requester = id_of(caller.tenant, name, self.erasures.keys.digest)
        ledger = self.erasures.recording.ledger
        known = self.erasures.erasure(streams.requester(caller.tenant, requester)) is not None
        if not known and not any(ledger.history(each, until=1) for each in self._places(caller, requester)):
            raise decisions.unknown_requester()
        return requester

    def _places(self, caller: Caller, requester: str) -> Iterable[str]:
        """The streams of this tenant in which something of a requester would be."""
        try:
            subjects = self.erasures.keys.subjects(requester)
        except ValueError:  # not the form of an id
            return
        for subject in subjects:
            for is_one, stream in _PLACES:
                if is_one(subject):
                    yield stream(caller.tenant, subject)

    def _locked(self, renders: Iterable[Render], characters: Iterable[Character]) -> Iterable[str]:
        """The addresses of files that storage would not delete."""
        uris = [uri for render in renders for uri in render.files]
        uris += [each.requested.source_video.storage_uri for each in characters]
        return filter(self.erasures.assets.is_locked, uris)

    def _sealed(self, caller: Caller, asked: ErasureAsked) -> Sealed:
        """The reason under a key of the caller's own, which the erasure does not destroy."""
        subject = f"erasure_{self.erasures.recording.new_id().hex}"
        field = f"{ErasureDecided.TYPE}.reason"
        return self.erasures.keys.seal(asked.reason, requester=caller.requester, subject=subject, field=field)

    def _standing(self, render: Render) -> Standing:
        return Standing(
            render.intent.video_id,
            "render",
            is_unreadable=render.erased_at is not None,
            renders_left=int(not render.erased),
            files_left=int(not render.purged),
            erased_at=render.erased_at,
        )

    def _standing_of_all(self, caller: Caller, requester: str, stream: str) -> Standing:
        erasure = self.erasures.erasure(stream)
        renders = [*self.erasures.renders(caller.tenant, self.erasures.keys.subjects(requester))]
        return Standing(
            requester,
            "requester",
            is_unreadable=self.erasures.keys.are_destroyed([(requester, None)])[0],
            renders_left=sum(not each.erased for each in renders),
            files_left=sum(not each.purged for each in renders),
            erased_at=erasure.erased_at if erasure else None,
        )


_PLACES: tuple[tuple[Callable[[str], bool], Callable[[str, str], str]], ...] = (
    (streams.is_video_id, streams.render),
    (streams.is_character_id, streams.character),
    (streams.is_endpoint_id, streams.endpoint),
    (streams.is_batch_id, streams.batch),
    (streams.is_key_id, streams.key),
)
"""What can be sealed for a requester, by the form of its id, and the stream it has."""

"""Carrying out erasures that were decided, to their end, however often it takes; and once more after a restore.

    decided ─ listed apart from the database ─ key destroyed ─ recorded ─ files purged

Every step may be repeated: whoever dies between two of them leaves the rest to the next worker, which begins at the
first one again.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast
from uuid import UUID

import structlog

from bickford_sora.assets.port import AssetStore
from bickford_sora.decisions import erasure as decisions
from bickford_sora.decisions.drafts import Draft
from bickford_sora.erasure_list import ErasureList, Listed
from bickford_sora.recording import Origin, Recording
from bickford_sora.references import asset_subject
from ledger import characters, erasures, streams
from ledger.characters import Character
from ledger.erasures import Erasure
from ledger.errors import Conflict
from ledger.events import ErasureDecided
from ledger.events.erasure import Reason
from ledger.identifiers import made_at
from ledger.keys import Keys
from ledger.render import Render

ACTOR = "eraser"
"""Who the facts of erasures that are carried out are by."""
INTAKE_S = 600.0
"""How long after its id was made a request may still be recorded, in seconds."""
LOOKED_UP_MAX = 1_000
"""Lines of the list that are looked up at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasures:
    """Carries out erasures. Safe to use from several threads and processes.

    Raises ErasureListDamaged and OSError when the list cannot be written: then no key was destroyed. Raises
    `ledger.errors.Unavailable` when the database does not answer, AssetLocked for a clip that storage keeps.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    assets: AssetStore
    kept: ErasureList
    """The list apart from the database."""

    def carry_out(self, stream: str) -> bool:
        """Goes on with the erasure decided in this stream. False when something is left that has to be waited for."""
        if streams.category(stream) == "requester":
            return self._carry_out_all(stream)
        render = self.recording.render(stream)
        if render.erasure is not None:
            self._destroy(render.tenant, self._decided_with(render), render.intent.requester, render.erasure)
            # The words cannot be read any more. A crash here: the key is destroyed again, which changes nothing.
            self._record(render, render.erasure.cause)
            # The render's files are the purge's from here on, ours and the renderer's.
        return True

    def make_unreadable(self, stream: str) -> None:
        """Destroys the key of the requester whose erasure is decided in this stream, and leaves the rest to workers."""
        erasure = self.erasure(stream)
        if erasure is None or erasure.is_done:
            return
        requester = erasure.decided.subject
        if not self.keys.are_destroyed([(requester, None)])[0]:
            self._destroy(erasure.tenant, erasure.decided_with, requester, erasure.decided)

    def reapply(self) -> list[Listed]:
        """Erases again whatever of the list this database has not erased, as after a backup was restored.

        Returns what that was. Raises ErasureListDamaged, naming the line.
        """
        listed = [*self.kept]
        pages = (listed[start : start + LOOKED_UP_MAX] for start in range(0, len(listed), LOOKED_UP_MAX))
        again = [entry for page in pages for entry in self._alive(page)]
        for entry in again:
            log.warning("erasure_reapplied", subject=entry.decided.subject, kind=entry.decided.kind)
            # Keys that live are what tells a next start that this one ended too soon. So they go last.
            self._record_again(entry)
            # The ledger knows it. A crash here: the next start finds the key, and nothing more to record.
            self.keys.destroy(requester=entry.requester, subject=entry.subject)
        return again

    def remove_files_again(self) -> int:
        """Removes the files of what was erased and purged that somebody has put back. Returns how many those were.

        Looks at every line of the list: for an operator who has restored asset storage. What a purge is still to do, or
        a legal hold keeps from it, is left alone.
        """
        return sum(
            self.assets.forget(asset_subject(subject))
            for entry in self.kept
            if entry.decided.cause == "asked"
            for subject in self._below(entry)
            if self._is_over(entry.tenant, subject)
        )

    def renders(self, tenant: str, subjects: Sequence[str]) -> Iterator[Render]:
        """Those of a requester's things that are renders."""
        for subject in filter(streams.is_video_id, subjects):
            render = self.recording.ledger.render(streams.render(tenant, subject))
            if render is not None:
                yield render

    def erasure(self, stream: str) -> Erasure | None:
        """The erasure of a requester, None when nobody decided one."""
        return cast("Erasure | None", self.recording.ledger.fold(stream, erasures.fold))

    def characters(self, tenant: str, subjects: Sequence[str]) -> Iterator[Character]:
        """Those of a requester's things that are characters."""
        for subject in filter(streams.is_character_id, subjects):
            character = self.recording.ledger.fold(streams.character(tenant, subject), characters.fold)
            if character is not None:
                yield cast("Character", character)

    def _carry_out_all(self, stream: str) -> bool:
        self.make_unreadable(stream)
        erasure = self.erasure(stream)
        if erasure is None or erasure.is_done:
            return True
        # Nothing of the requester can be read any more. What follows tells each of its renders, so that its files go.
        subjects = self.keys.subjects(erasure.decided.subject)
        for render in self.renders(erasure.tenant, subjects):
            self._record(render, "requester")
        for character_id in filter(streams.is_character_id, subjects):
            self.assets.forget(asset_subject(character_id))
        if any(self._may_still_come(erasure.tenant, each) for each in filter(streams.is_video_id, subjects)):
            return False
        with suppress(Conflict):  # another worker was faster
            origin = Origin(erasure.tenant, ACTOR, causation=erasure.last_event_id)
            self.recording.append(decisions.erased_all(erasure), origin)
        return True

    def _destroy(self, tenant: str, actor: str, requester: str, decided: ErasureDecided) -> None:
        """Lists an erasure and destroys the key."""
        entry = Listed(at=self.recording.clock(), tenant=tenant, actor=actor, requester=requester, decided=decided)
        self.kept.append(entry)
        # The list has it. A crash here: a worker goes on with it, and lists it once more, which does no harm.
        self.keys.destroy(requester=requester, subject=entry.subject)

    def _record(self, render: Render, reason: Reason, decided: ErasureDecided | None = None) -> None:
        self.recording.decide(render.stream, ACTOR, lambda current: decisions.erased(current, reason, decided))

    def _may_still_come(self, tenant: str, video_id: str) -> bool:
        """Whether a request that sealed its words before the key was destroyed may not be recorded yet."""
        age = self.recording.clock() - made_at(UUID(video_id.removeprefix("video_")))
        return age < timedelta(seconds=INTAKE_S) and not any(self.renders(tenant, [video_id]))

    def _decided_with(self, render: Render) -> str:
        """Public id of the API key an erasure was asked with."""
        history = self.recording.ledger.history(render.stream)
        return next(each.context.actor for each in history if each.fact == render.erasure)

    def _below(self, entry: Listed) -> list[str]:
        """What of an erasure has files: a video, or all videos and characters of a requester."""
        if entry.subject is not None:
            return [entry.subject]
        subjects = self.keys.subjects(entry.requester)
        return [each for each in subjects if streams.is_video_id(each) or streams.is_character_id(each)]

    def _is_over(self, tenant: str, subject: str) -> bool:
        """Whether nothing of a video or character is to be there any more."""
        if streams.is_video_id(subject):
            return all(render.purged for render in self.renders(tenant, [subject]))
        return True

    def _alive(self, entries: Sequence[Listed]) -> list[Listed]:
        gone = self.keys.are_destroyed((entry.requester, entry.subject) for entry in entries)
        return [entry for entry, is_gone in zip(entries, gone, strict=True) if not is_gone]

    def _record_again(self, entry: Listed) -> None:
        """Records what the restored ledger does not know. What it does know, a worker carries out."""
        origin = Origin(entry.tenant, ACTOR)
        if entry.decided.kind == "requester":
            stream = streams.requester(entry.tenant, entry.decided.subject)
            if self.erasure(stream) is None:
                with suppress(Conflict):  # another process that starts was faster
                    self.recording.append(Draft(((stream, entry.decided),), {stream: 0}), origin)
            return
        for render in self.renders(entry.tenant, [entry.decided.subject]):
            self._record(render, entry.decided.cause, entry.decided)

"""Approvals: renders that policy holds until somebody else has looked at them (`/v1/approvals`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import approvals as decisions
from bickford_sora.decisions.approvals import Answer
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.errors import NotFound, ProtocolError, TryLater
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import Origin, Recording, after
from ledger import streams
from ledger.envelope import Sealed
from ledger.errors import Erased
from ledger.keys import Keys
from ledger.render import Render
from projections.videos import Page


class HeldQuery(Protocol):
    """The read model of videos. Errors: `ledger.errors.Unavailable` when the database does not answer."""

    def held(self, tenant: str, project: str | None, after: str | None, limit: int, /) -> Page:
        """Renders that wait for an approver behind the video id `after`, the oldest first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several answers."""

    approval_id: str
    render: Render | None
    error: ProtocolError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Shows held renders, takes answers, and starts what was approved. Safe to use from several threads.

    Another project's render is NotFound like one that never was. Every method raises `ledger.errors.Unavailable` when
    the database does not answer; those that change something, Unauthorized when the caller's key was revoked meanwhile.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    query: HeldQuery

    def find(self, caller: Caller, approval_id: str) -> Render:
        """A render that is, or was, held, of a project the caller reads. Raises NotFound."""
        video_id = streams.approved_video_id(approval_id)
        render = self.recording.ledger.render(streams.render(caller.tenant, video_id)) if video_id else None
        if render is None or render.approval is None or render.deleted or not caller.reads(render.intent.project):
            raise NotFound("No approval with this id exists.", code="approval_not_found", param="approval_id")
        return render

    def answer(self, caller: Caller, approval_id: str, answer: Answer, *, origin: Origin) -> Render:
        """Approves or denies. Raises NotFound, Conflicting when it is too late, RoleMissing for one's own render."""

        def decided(who: Caller, render: Render) -> Draft:
            reason, now = self._sealed(render, answer), self.recording.clock()
            return decisions.answered(render, who, answer, reason, now, asker=self._asker(render))

        return self._decide(caller, approval_id, decided, origin)

    def answer_several(self, caller: Caller, fields: Mapping[str, object], *, origin: Origin) -> list[Outcome]:
        """Approves or denies each for itself, in their order. Raises InvalidRequest."""
        asked = decisions.read_several(fields)
        answer = Answer(decision=asked.decision, reason=asked.reason)
        return [self._outcome(caller, each, answer, origin) for each in dict.fromkeys(asked.approvals)]

    def start(self, caller: Caller, approval_id: str, *, origin: Origin) -> Render:
        """Starts what was refused until it was approved. Raises NotFound, ApprovalRequired and Denied."""
        return self._decide(
            caller, approval_id, lambda who, render: decisions.started(render, who, self.recording.clock()), origin
        )

    def page(self, caller: Caller, after: str | None, limit: int) -> Page:
        """Renders that wait for an approver, the oldest first. Raises NotFound for an unknown `after`."""
        behind = self.find(caller, after).intent.video_id if after is not None else None
        return self.query.held(caller.tenant, caller.readable, behind, limit)

    def is_own(self, caller: Caller, render: Render) -> bool:
        """Whether the caller asked for the render, and does not approve it therefore."""
        return decisions.is_own(caller, render, self._asker(render))

    def _asker(self, render: Render) -> str | None:
        """Whoever has the key it was asked with."""
        issued = IssuedKeys(self.recording.ledger, self.recording.clock)
        return issued.holder(render.tenant, render.asked_with)

    def _own(self, caller: Caller, approval_id: str) -> Render:
        """As `find`, of the caller's own project: who approves does so in one project."""
        render = self.find(caller, approval_id)
        if render.intent.project != caller.project:
            raise NotFound("No approval with this id exists.", code="approval_not_found", param="approval_id")
        return render

    def _outcome(self, caller: Caller, approval_id: str, answer: Answer, origin: Origin) -> Outcome:
        try:
            return Outcome(approval_id, self.answer(caller, approval_id, answer, origin=origin))
        except TryLater:
            raise
        except ProtocolError as error:
            return Outcome(approval_id, None, error)

    def _decide(
        self, caller: Caller, approval_id: str, decision: Callable[[Caller, Render], Draft], origin: Origin
    ) -> Render:
        def attempt(who: Caller) -> Render:
            render = self._own(who, approval_id)
            draft = decision(who, render)
            return after(render, self.recording.append(draft, origin, on=render)) if draft else render

        return decided_as(caller, self.recording, attempt, when_busy="The render is changing. Send the answer again.")

    def _sealed(self, render: Render, answer: Answer) -> Sealed:
        """The reason under the render's own key: it is erased with its prompt."""
        intent = render.intent
        try:
            return self.keys.seal(
                answer.reason, requester=intent.requester, subject=intent.video_id, field="render.approval.reason"
            )
        except Erased:
            raise NotFound("The render was erased.", code="approval_not_found", param="approval_id") from None

"""Four eyes: changes of what governs that an operator wants a second admin to agree to (`/v1/changes`).

The first request proposes the change and is refused with its id. Once another admin approved it, the same request of
the same admin makes it, in one append with the fact that it was made: once, and exactly what was approved.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

from pydantic import JsonValue

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import four_eyes as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.four_eyes import Wanted
from bickford_sora.errors import NotFound
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import Origin, Recording
from ledger import changes, streams
from ledger.changes import Change
from ledger.events.changes import Kind
from ledger.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class FourEyes:
    """Knows which changes take four eyes, and which of them were agreed to. Safe to use from several threads.

    Every method raises `ledger.errors.Unavailable` when the database does not answer.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    kinds: Collection[Kind] = ()
    """What takes them."""
    approval_s: float = 7 * 24 * 3600.0
    """How long a proposed change can be approved and made, in seconds."""

    def cleared(
        self, caller: Caller, kind: Kind, subject: str, content: JsonValue, summary: str, *, origin: Origin
    ) -> Draft:
        """What is to be recorded with the change; nothing where it takes no four eyes.

        Raises ApprovalRequired until another admin agreed, and Denied when one did not.
        """
        if kind not in self.kinds:
            return NOTHING
        wanted = self._wanted(caller, kind, subject, content, summary)

        def attempt(who: Caller) -> Draft:
            change, now = self._change(wanted.stream), self.recording.clock()
            if change is not None and decisions.may_be_made(change, now):
                return decisions.made(wanted, change)
            draft = decisions.proposed(who, wanted, change, now, approval_s=self.approval_s)
            if draft:
                self.recording.append(draft, origin)
            raise decisions.required(wanted.change_id)

        busy = "The change is being decided. Send the request again."
        return decided_as(caller, self.recording, attempt, when_busy=busy)

    def find(self, caller: Caller, change_id: str) -> Change:
        """A change the caller could make, as it is now. Raises NotFound."""
        change = self._change(streams.change(caller.tenant, change_id)) if streams.is_change_id(change_id) else None
        if change is None or not _concerns(caller, change):
            raise NotFound("No change with this id exists.", code="change_not_found", param="change_id")
        return change

    def answer(self, caller: Caller, change_id: str, *, agrees: bool, origin: Origin) -> Change:
        """Another admin's answer.

        Raises NotFound, RoleMissing for one's own change, Conflicting when it is too late.
        """

        def attempt(who: Caller) -> Change:
            change, now = self.find(who, change_id), self.recording.clock()
            issued = IssuedKeys(self.recording.ledger, self.recording.clock)
            proposer = issued.holder(who.tenant, change.proposed_with)
            draft = decisions.answered(change, who, now, agrees=agrees, proposer=proposer)
            self.recording.append(draft, origin)
            return self.find(who, change_id)

        return decided_as(
            caller, self.recording, attempt, when_busy="The change is being decided. Send the answer again."
        )

    def _wanted(self, caller: Caller, kind: Kind, subject: str, content: JsonValue, summary: str) -> Wanted:
        said = json.dumps([caller.key_id, kind, subject, content], sort_keys=True)
        digest = self.keys.digest("change", said.encode())
        change_id = streams.change_id(digest)
        return Wanted(kind, subject, summary, digest, streams.change(caller.tenant, change_id), change_id)

    def _change(self, stream: str) -> Change | None:
        return cast("Change | None", self.recording.ledger.fold(stream, changes.fold))


def _concerns(caller: Caller, change: Change) -> bool:
    """Whether it is for this caller to agree to: a key's is its project's, the rest is the whole tenant's."""
    return caller.everywhere or (change.proposed.kind == "keys" and change.proposed.subject == caller.project)

"""Legal holds: what they cover is kept, whatever else says that it goes (`/v1/holds`)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bickford_sora.confirming import decided_as
from bickford_sora.decisions import holds as decisions
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.finding import unknown_video
from bickford_sora.four_eyes import FourEyes
from bickford_sora.recording import Origin, Recording
from ledger import streams
from ledger.envelope import Sealed
from ledger.errors import Erased
from ledger.holds import Hold, Holds
from ledger.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHolds:
    """Places, shows and lifts holds. Safe to use from several threads.

    Placing and lifting raise RoleMissing unless the caller's key spans the tenant, and Unauthorized when it was revoked
    meanwhile. Every method raises `ledger.errors.Unavailable` when the database does not answer.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    four_eyes: FourEyes

    def place(self, caller: Caller, fields: object, *, origin: Origin) -> Hold:
        """A new hold. Raises InvalidRequest, Conflicting, and NotFound for a video that this tenant does not have."""
        decisions.check_manager(caller)
        asked = decisions.read(fields)
        if asked.scope == "render":
            self._check_known(caller, asked.subject or "")
        hold_id = streams.hold_id(self.recording.new_id())
        reason = self._sealed(caller, hold_id, "hold.placed.reason", asked.reason)
        self._decide(caller, lambda who, holds: decisions.placed(who, holds, hold_id, asked, reason), origin)
        return self.find(caller, hold_id)

    def lift(self, caller: Caller, hold_id: str, fields: object, *, origin: Origin) -> Hold:
        """Ends a hold; as it was. Raises NotFound, InvalidRequest, and ApprovalRequired where this takes four eyes."""
        decisions.check_manager(caller)
        said = decisions.read_lift(fields)
        hold = self.find(caller, hold_id)
        reason = self._sealed(caller, hold_id, "hold.lifted.reason", said.reason)

        def lifted(who: Caller, holds: Holds) -> Draft:
            draft = decisions.lifted(who, holds, hold_id, reason)
            summary = f"lift legal hold {hold_id}"
            agreed = self.four_eyes.cleared(who, "erasures", hold_id, "lift", summary, origin=origin)
            return draft.together_with(agreed)

        self._decide(caller, lifted, origin)
        return hold

    def find(self, caller: Caller, hold_id: str) -> Hold:
        """A hold that is in force. Raises NotFound."""
        decisions.check_manager(caller)
        return decisions.find(self.recording.ledger.holds(caller.tenant), hold_id)

    def all(self, caller: Caller) -> list[Hold]:
        """The holds in force, in the order they were placed; for a project's key those on its project alone."""
        standing = self.recording.ledger.holds(caller.tenant).standing.values()
        return [hold for hold in standing if decisions.sees(caller, hold)]

    def reason(self, hold: Hold) -> str | None:
        """Why it was placed, in the clear; None once that was erased."""
        try:
            return self.keys.open(hold.placed.reason)
        except Erased:
            return None

    def _check_known(self, caller: Caller, video_id: str) -> None:
        known = streams.is_video_id(video_id) and self.recording.ledger.render(streams.render(caller.tenant, video_id))
        if not known:
            raise unknown_video("subject")  # a hold on it would keep nothing, and nobody would know

    def _decide(self, caller: Caller, decision: Callable[[Caller, Holds], Draft], origin: Origin) -> None:
        def attempt(who: Caller) -> None:
            self.recording.append(decision(who, self.recording.ledger.holds(who.tenant)), origin)

        busy = "Legal holds are being changed. Send the request again."
        decided_as(caller, self.recording, attempt, when_busy=busy)

    def _sealed(self, caller: Caller, hold_id: str, field: str, text: str) -> Sealed:
        return self.keys.seal(text, requester=caller.requester, subject=hold_id, field=field)

"""Quotes: what a render would cost and whether it would be taken, without asking for it."""

from bickford_sora.decisions import intent
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.quotation import Quotation, quotation
from bickford_sora.decisions.request import ParsedRequest
from bickford_sora.preparing import Desk, Preparing


class Quoting:
    """Quotes. Safe to use from several threads. Nothing is written: no fact, no file, no key."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._preparing = Preparing(desk)

    def quote(self, caller: Caller, request: ParsedRequest) -> Quotation:
        """What would be decided if this was asked for now.

        Where a route draws among renderers, the request may be sent to another one. Raises as `Making.make` for what
        can not be asked for, and ledger.errors.Unavailable.
        """
        recording = self._desk.recording
        policy = self._desk.policies.look_again(caller.tenant)
        prepared = self._preparing.prepare(caller, request, policy)
        judged = intent.judge(prepared.asked, policy, recording.clock(), approval_s=self._desk.approval_s)
        return quotation(prepared.asked, judged, recording.spending(caller.tenant).now(), recording.periods())

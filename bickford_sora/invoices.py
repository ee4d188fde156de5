"""Invoices held against the ledger, and the corrections that follow from them."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bickford_sora.decisions import budget_setting, invoice_match
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.invoice_match import Match, Pair
from bickford_sora.decisions.invoices import InvoiceLine
from bickford_sora.errors import InvalidRequest, TryLater
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import streams
from ledger.envelope import Sealed
from ledger.errors import Conflict
from ledger.keys import Keys
from ledger.spend import Periods, Spend
from projections.audit import Claim
from projections.spend import COSTS_MAX, RenderCost, Which

ADJUSTED_TOGETHER_MAX = 500
"""Most corrections in one append. A crash between two of them leaves the rest for the next time."""


class CostsQuery(Protocol):
    """The read model of spend. Errors: `ledger.errors.Unavailable` when the database does not answer."""

    def costs(self, which: Which, /) -> Sequence[RenderCost]:
        """What each of some renders cost, by their ids; at most `COSTS_MAX`."""


class ClaimsQuery(Protocol):
    """The read model of every fact. Errors as of `CostsQuery`."""

    def claims(self, tenant: str, /, *, job_ids: Sequence[str] = (), video_ids: Sequence[str] = ()) -> Sequence[Claim]:
        """The jobs of these names, and those of these videos."""


class _Corrected(Exception):  # noqa: N818 - the name states the cause
    """Somebody else corrected something since it was compared. Nothing more was recorded."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is to be held against the ledger."""

    lines: Sequence[InvoiceLine]
    renderer: str | None = None
    """Whose it is; None: anybody's."""
    days: tuple[str, str] | None = None
    """Of which days it is, both included; None: of those it names."""
    reason: str | None = None
    """Why something is corrected."""


@dataclass(frozen=True, slots=True)
class Invoices:
    """Compares and corrects. Safe to use from several threads.

    Every method raises InvalidRequest, TryLater while the read models are behind, and `ledger.errors.Unavailable`.
    """

    recording: Recording
    keys: Keys = field(repr=False)
    costs: CostsQuery
    claims: ClaimsQuery
    is_current: Callable[[], bool]
    """Whether both have everything that was recorded before the call; waits a while for it."""

    def compare(self, caller: Caller, invoice: Invoice) -> Match:
        """The invoice beside what the caller's renders cost. Records nothing."""
        if not self.is_current():
            raise TryLater("The read models are behind the ledger. Send it again.", code="projection_behind")
        billed_ids = list(dict.fromkeys(line.id for line in invoice.lines))
        claims = self.claims.claims(caller.tenant, job_ids=billed_ids)
        costs = self._costs(caller, invoice, video_ids=[*billed_ids, *(each.video_id for each in claims)])
        # What the caller does not read, and what another renderer made, is as if it was not there.
        known = {each.video_id for each in costs}
        billed = invoice_match.by_render(invoice.lines, (each for each in claims if each.video_id in known))
        days = invoice.days or invoice_match.days_of(invoice.lines, costs)
        of_days = self._costs(caller, invoice, days=days) if days else []
        return invoice_match.match(billed, costs, of_days, days=days, jobs=self._jobs(caller, [*costs, *of_days]))

    def adjust(self, caller: Caller, invoice: Invoice, origin: Origin) -> tuple[Match, int]:
        """As `compare`, and corrects what differs; returns how many corrections were recorded.

        What was corrected is equal from then on, so that the same again records nothing. Raises RoleMissing unless the
        caller is an admin of the tenant, and Unauthorized when its key was revoked meanwhile.
        """
        caller.check("admin")
        budget_setting.check_manager(caller)
        reason = self._sealed(caller, invoice.reason)
        recorded = 0
        for _ in range(DECIDE_ATTEMPTS_MAX):
            corrections = self.recording.spending(caller.tenant).now().corrections
            found = self.compare(caller, invoice)
            try:
                pairs = [*invoice_match.adjustable(found)]
                for begin in range(0, len(pairs), ADJUSTED_TOGETHER_MAX):
                    some = pairs[begin : begin + ADJUSTED_TOGETHER_MAX]
                    self._record(caller, some, reason, origin, corrections=corrections)
                    corrections += len(some)
                    recorded += len(some)
            except _Corrected:
                continue
            except Conflict:
                caller = IssuedKeys(self.recording.ledger, self.recording.clock).confirmed(caller)
                continue
            return found, recorded
        raise TryLater("Something else is being corrected. Send it again.", code="conflict")

    def _record(
        self, caller: Caller, pairs: Sequence[Pair], reason: Sealed | None, origin: Origin, *, corrections: int
    ) -> None:
        """Records some corrections, all or none. Raises _Corrected when there were others than these `corrections`."""

        def take(spend: Spend, periods: Periods) -> Draft:
            if spend.corrections != corrections:
                raise _Corrected
            facts = (invoice_match.adjusted(each, day=periods.day, reason=reason) for each in pairs)
            return Draft(tuple((spend.stream, fact) for fact in facts), caller.heads)

        self.recording.on_spend(take, origin)

    def _costs(
        self,
        caller: Caller,
        invoice: Invoice,
        *,
        video_ids: Sequence[str] = (),
        days: tuple[str, str] | None = None,
    ) -> Sequence[RenderCost]:
        first, last = days or (None, None)
        which = Which(
            tenant=caller.tenant,
            project=caller.readable,
            renderer=invoice.renderer,
            video_ids=[each for each in video_ids if streams.is_video_id(each)],
            first=first,
            last=last,
        )
        found = self.costs.costs(which)
        if len(found) == COSTS_MAX:
            raise InvalidRequest(
                f"There are {COSTS_MAX} renders or more in these days. Compare fewer days at a time.",
                code="too_many_renders",
                param="since",
            )
        return found

    def _jobs(self, caller: Caller, costs: Sequence[RenderCost]) -> dict[str, list[str]]:
        jobs: dict[str, list[str]] = defaultdict(list)
        for claim in self.claims.claims(caller.tenant, video_ids=list({each.video_id for each in costs})):
            jobs[claim.video_id].append(claim.job_id)
        return jobs

    def _sealed(self, caller: Caller, reason: str | None) -> Sealed | None:
        """The reason under a key of its own: all corrections of one invoice share it."""
        if reason is None:
            return None
        subject = f"adjustment-{self.recording.new_id().hex}"
        return self.keys.seal(reason, requester=caller.requester, subject=subject, field="spend.adjusted.reason")

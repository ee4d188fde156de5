"""What would be decided of a request now: by the functions that decide, on a state that nothing is written to. Pure."""

from dataclasses import dataclass

from bickford_sora.decisions import headroom, intent, quotas
from bickford_sora.decisions.headroom import Room
from bickford_sora.decisions.intent import Asked, Judged
from bickford_sora.decisions.policy import Refusal
from bickford_sora.decisions.rules.entries import Effect
from ledger.events import Quote, Verdict
from ledger.spend import Periods, Spend


@dataclass(frozen=True, slots=True)
class Quotation:
    """What a request would cost, and what would be said to it."""

    asked: Asked
    price: Quote | None
    effect: Effect
    """What policy says, whatever the budgets do."""
    verdict: Verdict
    """As it would be recorded: held to the budgets."""
    refusal: Refusal | None
    """Why it would not start now, in words for the client."""
    rooms: tuple[Room, ...]
    """Of every budget that counts it, by their ids."""
    binding_budget: str | None
    """As `headroom.binding`."""

    @property
    def is_accepted(self) -> bool:
        """Whether it would be taken, if only to wait for an approver."""
        return self.refusal is None or (self.refusal.kind == "approval" and self.refusal.on_hold == "wait")


def quotation(asked: Asked, judged: Judged, spend: Spend, periods: Periods) -> Quotation:
    """What would be decided on this spend, at this time. `asked` keeps nothing."""
    wanted = intent.reservation(asked, judged.price, periods)
    verdict, refusal = quotas.held_to((judged.verdict, judged.refusal), spend, wanted)
    return Quotation(
        asked=asked,
        price=judged.price,
        effect=_effect(judged),
        verdict=verdict,
        refusal=refusal,
        rooms=tuple(headroom.rooms(spend, wanted)),
        binding_budget=headroom.binding(spend, wanted),
    )


def _effect(judged: Judged) -> Effect:
    if judged.refusal is not None:
        return "require_approval" if judged.refusal.kind == "approval" else "deny"
    return "warn" if judged.verdict.warnings else "allow"

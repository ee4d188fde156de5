"""What a client is told when a budget stands in the way: which one, what is left of it, and what to do."""

from bickford_sora.allowance import Allowance
from bickford_sora.decisions import budgets
from bickford_sora.decisions.amounts import amount
from bickford_sora.decisions.budgets import Shortfall, UnknownPrice
from bickford_sora.decisions.headroom import LOOK_AGAIN_MS
from bickford_sora.decisions.policy import Refusal
from bickford_sora.errors import ApprovalRequired, Denied, ProtocolError, QuotaExceeded, TooManyRequests
from ledger.events import SpendReserved, Verdict
from ledger.spend import Spend

MINUTE_MS = 60_000

Decided = tuple[Verdict, Refusal | None]


def held_to(decided: Decided, spend: Spend, wanted: SpendReserved) -> Decided:
    """What policy decided, held to the budgets where it does not deny. A refusal names the budget as its rule.

    What an approver is to look at is held to them, too: its cost is set aside meanwhile.
    """
    verdict, refusal = decided
    is_denied = refusal is not None and refusal.kind != "approval"
    short = None if is_denied else budgets.short_of(spend, wanted)
    if short is None:
        return decided
    saw = {**verdict.saw, "budget": short.budget.budget_id, "day": wanted.day}
    if isinstance(short, Shortfall):
        saw |= {"used": short.used, "asked": short.asked, "cap": short.budget.cap}
    rules = (*verdict.rules, f"budget:{short.budget.budget_id}")
    return verdict.model_copy(update={"rules": rules, "saw": saw}), _refusal(short)


def refused(refusal: Refusal, allowance: Allowance | None = None) -> ProtocolError:
    """The error a client gets. `allowance` is what is left of the limits."""
    error = _error(refusal)
    error.allowance = allowance
    return error


def _error(refusal: Refusal) -> ProtocolError:
    if refusal.kind == "approval":
        return ApprovalRequired(refusal.message, code=refusal.code)
    if refusal.kind == "quota":
        return QuotaExceeded(refusal.message, code=refusal.code)
    if refusal.kind == "rate":
        return TooManyRequests(refusal.message, code=refusal.code, retry_after_ms=refusal.retry_after_ms)
    return Denied(refusal.message, code=refusal.code)


def _refusal(short: Shortfall | UnknownPrice) -> Refusal:
    budget = short.budget
    if isinstance(short, UnknownPrice):
        return Refusal(
            "price_unknown",
            f"No price in {budget.unit} is known for this render, and budget {budget.budget_id!r} counts them.",
        )
    what = f"budget {budget.budget_id!r} ({budget.scope}, {budget.window})"
    if short.is_closed:
        message = f"Quota exceeded: {what} was overrun and takes nothing more until it is set again."
        return Refusal("insufficient_quota", message, kind="quota")
    left = f"{amount(short.headroom, budget.unit)} of {amount(budget.cap, budget.unit)} left"
    asked = amount(short.asked, budget.unit)
    if short.is_rate:
        message = f"Rate limit reached: {what} has {left} and this render needs {asked}. Send it again after a pause."
        pause = MINUTE_MS if budget.window == "minute" else LOOK_AGAIN_MS
        return Refusal("rate_limit_exceeded", message, kind="rate", retry_after_ms=pause)
    message = (
        f"Quota exceeded: {what} has {left} and this render needs {asked}. Ask for less, or have the budget raised."
    )
    return Refusal("insufficient_quota", message, kind="quota")

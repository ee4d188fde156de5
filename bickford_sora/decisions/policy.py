"""Whether a render may happen: the built-in rules. Policy as data comes with governance; the shape stays.

A verdict always says which policy decided, which rules matched and what they saw.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from bickford_sora.decisions.fields import plain, texts
from bickford_sora.decisions.request import VideoRequest
from ledger.events import Quote, Verdict


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a render may not happen, in words for the client."""

    code: str
    message: str
    kind: Literal["policy", "quota", "rate"] = "policy"
    """Whether a rule denied it, a budget is used up, or it only came too early."""
    retry_after_ms: int = 0
    """Of kind `rate`: when it may be asked again."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The built-in policy: everything offered is allowed, up to a cost for each render."""

    render_cost_max_micro: int | None = None

    @property
    def hash(self) -> str:
        """Names this policy in every decision."""
        return hashlib.sha256(json.dumps({"render_cost_max_micro": self.render_cost_max_micro}).encode()).hexdigest()

    def decide(self, request: VideoRequest, quote: Quote | None) -> tuple[Verdict, Refusal | None]:
        """The verdict, and the refusal when a rule denies."""
        saw = _seen(request, quote)
        refusal = self._over_cost(quote)
        rules = ("render-cost-max",) if refusal else ("allow-offered",)
        return Verdict(policy_hash=self.hash, rules=rules, saw=saw), refusal

    def _over_cost(self, quote: Quote | None) -> Refusal | None:
        limit = self.render_cost_max_micro
        if limit is None:
            return None
        if quote is None:
            return Refusal("price_unknown", "No price is known for this model, and renders have a cost limit.")
        if quote.cost.amount_micro <= limit:
            return None
        return Refusal(
            "render_cost_exceeded",
            f"This render costs {units(quote.cost.amount_micro)} {quote.cost.currency}; rule render-cost-max allows "
            f"{units(limit)}. Ask for fewer seconds, a smaller size or another model.",
        )


def _seen(request: VideoRequest, quote: Quote | None) -> dict[str, JsonValue]:
    """What rules may look at. Of free text only that it is there."""
    return {
        "operation": request.operation,
        "model": request.model,
        "seconds": request.seconds,
        "size": request.size,
        "fields": plain(request.fields),
        "text_fields": [*sorted(texts(request.fields))],
        "cost_micro": quote.cost.amount_micro if quote else None,
    }


def units(micro: int) -> str:
    """An amount in whole units, with two digits behind the point."""
    return f"{micro // 1_000_000}.{micro % 1_000_000 // 10_000:02d}"

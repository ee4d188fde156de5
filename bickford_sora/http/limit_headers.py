"""What is left of the limits, in the headers SDKs and gateways of this protocol know, and plain ones for money.

x-ratelimit-limit-requests: 60
x-ratelimit-remaining-requests: 59
x-ratelimit-reset-requests: 1s
bickford-budget: company
bickford-budget-remaining-micro: 49600000
bickford-budget-currency: USD
"""

from bickford_sora.allowance import Allowance

SECOND_MS = 1_000


def limit_headers(allowance: Allowance | None) -> dict[str, str]:
    """The headers, none for a limit that is not there."""
    headers: dict[str, str] = {}
    if allowance is None:
        return headers
    if requests := allowance.requests:
        headers |= {
            "x-ratelimit-limit-requests": str(requests.limit),
            "x-ratelimit-remaining-requests": str(requests.remaining),
            "x-ratelimit-reset-requests": _duration(requests.reset_ms),
        }
    if money := allowance.money:
        headers |= {
            "bickford-budget": money.budget_id,
            "bickford-budget-remaining-micro": str(money.remaining_micro),
            "bickford-budget-currency": money.currency,
        }
    return headers


def _duration(milliseconds: int) -> str:
    """As the protocol writes durations: `20ms`, `6.5s`."""
    return f"{milliseconds}ms" if milliseconds < SECOND_MS else f"{milliseconds / SECOND_MS:g}s"

"""What is left of the limits a request was held to, for clients that pace themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestsLeft:
    """What is left of a limit that is counted in requests or renders and passes by itself."""

    limit: int
    remaining: int
    reset_ms: int
    """Until all of it is there again, or when to look again where nobody knows."""


@dataclass(frozen=True, slots=True)
class MoneyLeft:
    """What is left of a budget of money."""

    budget_id: str
    remaining_micro: int
    """In millionths of the currency."""
    currency: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """The tightest of each kind, None where there is no limit of it."""

    requests: RequestsLeft | None = None
    money: MoneyLeft | None = None

    def within(self, requests: RequestsLeft | None) -> "Allowance":
        """What is left when this limit holds, too."""
        return Allowance(tightest(self.requests, requests), self.money)


def tightest(*limits: RequestsLeft | None) -> RequestsLeft | None:
    """The limit with the fewest left; of equals the one that takes longest to pass."""
    found = [each for each in limits if each is not None]
    return min(found, key=lambda each: (each.remaining, -each.reset_ms), default=None)

"""How often somebody may fail to sign in: a few times a minute from one address."""

import math
from collections import OrderedDict
from collections.abc import Callable

from bickford_sora.errors import TooManyRequests

ATTEMPTS_PER_MINUTE_MAX = 10
ADDRESSES_MAX = 10_000
"""Addresses one process counts for at a time; those that tried longest ago are forgotten first."""
_MINUTE_S = 60.0


class Attempts:
    """Counts. Not safe to use from several threads: it belongs to the event loop.

    Args:
        monotonic: seconds that never run backwards.
    """

    def __init__(self, monotonic: Callable[[], float], *, per_minute_max: int = ATTEMPTS_PER_MINUTE_MAX) -> None:
        self._monotonic = monotonic
        self._max = per_minute_max
        self._tried_at: OrderedDict[str, list[float]] = OrderedDict()

    def count(self, address: str) -> None:
        """One more failed attempt from this address. Raises TooManyRequests, which says when the next may come."""
        now = self._monotonic()
        self._tried_at[address] = [*self._recent(address, now), now]
        self._tried_at.move_to_end(address)
        while len(self._tried_at) > ADDRESSES_MAX:
            self._tried_at.popitem(last=False)

    def take_back(self, address: str) -> None:
        """An attempt that was counted before it ended did not fail."""
        tried = self._tried_at.pop(address, [])
        if tried[:-1]:
            self._tried_at[address] = tried[:-1]

    def _recent(self, address: str, now: float) -> list[float]:
        recent = [each for each in self._tried_at.get(address, ()) if each > now - _MINUTE_S]
        if len(recent) >= self._max:
            raise TooManyRequests(
                "Too many attempts to sign in. Wait a minute and try again.",
                code="rate_limit_exceeded",
                retry_after_ms=math.ceil((recent[0] + _MINUTE_S - now) * 1000),
            )
        return recent

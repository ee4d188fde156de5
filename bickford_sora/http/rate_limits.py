"""How many requests one API key may make: a bucket for each key, filled evenly, that holds a minute's worth.

Each process counts for itself. Requests that show no key (health, renderers' webhooks, signed links) are not counted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bickford_sora.allowance import Allowance, RequestsLeft
from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import TooManyRequests

MINUTE_S = 60.0


@dataclass(slots=True)
class _Bucket:
    left: float
    """Requests that may be made at once."""
    filled_at: float


class RateLimit:
    """Counts requests. Not safe to use from several threads: it belongs to the event loop.

    Args:
        requests_per_minute_max: of one API key; None: no limit.
        monotonic: seconds that never run backwards.
    """

    def __init__(self, requests_per_minute_max: int | None, monotonic: Callable[[], float]) -> None:
        self._max = requests_per_minute_max
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}  # as many as there are API keys

    def count(self, caller: Caller) -> None:
        """One more request of this caller. Raises TooManyRequests, which says when the next one may come."""
        if self._max is None:
            return
        bucket = self._filled(caller, self._max)
        if bucket.left < 1:
            error = TooManyRequests(
                f"This API key has reached its rate limit of {self._max} requests a minute. Send the request again "
                "after the pause in retry-after.",
                code="rate_limit_exceeded",
                retry_after_ms=math.ceil((1 - bucket.left) * self._ms_each),
            )
            error.allowance = Allowance(self.left(caller))
            raise error
        bucket.left -= 1

    def left(self, caller: Caller) -> RequestsLeft | None:
        """How many more requests this caller may make at once, None where there is no limit."""
        if self._max is None:
            return None
        bucket = self._filled(caller, self._max)
        return RequestsLeft(self._max, int(bucket.left), math.ceil((self._max - bucket.left) * self._ms_each))

    @property
    def _ms_each(self) -> float:
        """How long one request takes to be there again."""
        assert self._max is not None  # noqa: S101 - only asked where there is a limit
        return MINUTE_S * 1000 / self._max

    def _filled(self, caller: Caller, most: int) -> _Bucket:
        """The caller's bucket as it is now."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(caller.key_id, _Bucket(most, now))
        bucket.left = min(most, bucket.left + (now - bucket.filled_at) * most / MINUTE_S)
        bucket.filled_at = now
        return bucket

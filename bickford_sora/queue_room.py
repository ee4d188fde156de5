"""How many renders may wait in the queue: of one project, of one tenant, and of all."""

import threading
import time
from collections.abc import Callable, Mapping

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import TooManyRequests

FRESH_S = 1.0
"""How long a count is relied on, in seconds. What is accepted meanwhile by this process is added to it."""
RETRY_AFTER_MS = 10_000
"""When a client is told to come back, in milliseconds: a place in the queue becomes free when a render starts."""


class QueueRoom:
    """Counts what waits. Safe to use from several threads.

    Counted at most once a second, so that a limit can be passed by what several processes accept within that.

    Args:
        waiting: how many renders wait, by tenant and project, at most `renders_max` in all.
        project_renders_max: most of one project. None: no limit.
        tenant_renders_max: most of one tenant. None: no limit.
        renders_max: most of all. None: no limit.
    """

    def __init__(
        self,
        waiting: Callable[[], Mapping[tuple[str, str], int]],
        *,
        project_renders_max: int | None = None,
        tenant_renders_max: int | None = None,
        renders_max: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = waiting
        self._project_max = project_renders_max
        self._tenant_max = tenant_renders_max
        self._max = renders_max
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, str], int] = {}
        self._counted_at: float | None = None

    def take(self, caller: Caller) -> None:
        """One more render of this caller is about to wait. Raises TooManyRequests, ledger.errors.Unavailable."""
        if self._project_max is None and self._tenant_max is None and self._max is None:
            return
        with self._lock:
            now = self._monotonic()
            if self._counted_at is None or now - self._counted_at > FRESH_S:
                self._counted, self._counted_at = dict(self._waiting()), now
            self._check(caller)
            whose = (caller.tenant, caller.project)
            self._counted[whose] = self._counted.get(whose, 0) + 1

    def _check(self, caller: Caller) -> None:
        of_tenant = {project: waits for (tenant, project), waits in self._counted.items() if tenant == caller.tenant}
        if self._project_max is not None and of_tenant.get(caller.project, 0) >= self._project_max:
            raise _full(f"{self._project_max} renders of this project")
        if self._tenant_max is not None and sum(of_tenant.values()) >= self._tenant_max:
            raise _full(f"{self._tenant_max} renders of this tenant")
        if self._max is not None and sum(self._counted.values()) >= self._max:
            raise _full(f"{self._max} renders")


def _full(of_what: str) -> TooManyRequests:
    return TooManyRequests(
        f"The rate limit of the queue is reached: {of_what} wait to be submitted. Send the request again after the "
        "pause in retry-after.",
        code="queue_full",
        retry_after_ms=RETRY_AFTER_MS,
    )

"""The queue before the renderers, as a caller may see it: its own renders, and of others how many there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from bickford_sora.decisions.caller import Caller
from bickford_sora.renderers.fleet import REPLICAS_UNREACHABLE
from bickford_sora.vacancies import RENDERER_STOPPED
from ledger.clock import Clock
from projections.leases import RATE_LIMITED
from projections.queue import Counter, Waiting

Reason = Literal["next", "renderer_full", "rate_limited", "renderer_stopped", "replicas_unreachable", "postponed"]
"""Why a render waits. `postponed`: it was refused for now, or an equal submission is open."""
_CLOSED: Mapping[str, Reason] = {
    RATE_LIMITED: "rate_limited",
    RENDERER_STOPPED: "renderer_stopped",
    REPLICAS_UNREACHABLE: "replicas_unreachable",
}


class QueueQuery(Protocol):
    """The queue's read model: `projections.queue.Queue`. Raises ledger.errors.Unavailable as that."""

    def counters(self) -> Sequence[Counter]:
        """Every renderer that has or awaits something."""

    def waiting(
        self, tenant: str, project: str | None, video_id: str | None, weights: Mapping[str, int], limit: int
    ) -> Sequence[Waiting]:
        """The first that wait, by renderer and place."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A render that waits, and why."""

    waiting: Waiting
    reason: Reason


@dataclass(frozen=True, slots=True)
class Line:
    """What a caller sees of the queue."""

    counters: Sequence[Counter]
    queued: Sequence[Queued]


@dataclass(frozen=True, slots=True)
class Queueing:
    """Tells callers about the queue."""

    query: QueueQuery
    weights: Callable[[], Mapping[str, int]]
    clock: Clock

    def line(self, caller: Caller, *, video_id: str | None, limit: int) -> Line:
        """The renders of the caller that wait, at most `limit`; all of them, or one."""
        counters = self.query.counters()
        by_name = {each.renderer: each for each in counters}
        found = self.query.waiting(caller.tenant, caller.readable, video_id, self.weights(), limit)
        now = self.clock()
        return Line(counters, [Queued(each, _reason(each, by_name.get(each.renderer), now)) for each in found])


def _reason(waiting: Waiting, counter: Counter | None, now: datetime) -> Reason:
    if counter is not None and counter.closed is not None:
        return _CLOSED[counter.closed]
    if waiting.not_before is not None and waiting.not_before > now:
        return "postponed"
    return "renderer_full" if counter is not None and counter.is_full else "next"

"""Ending the retention of prompts: looks for renders that are over for long enough, and has their words erased.

Their files stay: those have a retention of their own, which is recorded with each of them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from bickford_sora.clocks import CheckTime, unchecked
from ledger import streams
from ledger.clock import Clock
from ledger.errors import Corrupt, SegmentUnreadable, Unavailable
from ledger.identifiers import first_of

SWEEP_S = 60.0
"""Pause between two looks, in seconds."""
PAGE_RENDERS_MAX = 500
"""Renders looked at in one query."""

log = structlog.get_logger(__name__)


class ReadableQuery(Protocol):
    """The read model of videos."""

    def tenants(self) -> list[str]:
        """The tenants that asked for renders."""

    def readable(self, tenant: str, after: str | None, before: str, limit: int, /) -> list[str]:
        """Ids of ended renders with words that can be read, behind the video id `after` and before another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retain:
    """Sweeps over renders. Two processes that sweep at a time do no harm: one of two decisions is refused."""

    query: ReadableQuery
    end_retention: Callable[[str], bool]
    """Decides on one render, by its stream; False when a legal hold keeps it: `Erasing.end_retention`."""
    clock: Clock
    prompt_retention_s: float
    check_time: CheckTime = unchecked

    def run(self, stop: threading.Event) -> None:
        """Sweeps until `stop` is set. A database that does not answer is waited for."""
        while not stop.is_set():
            try:
                self.sweep(stop)
            except Unavailable as error:
                log.warning("retention_waits", code=error.code)
            stop.wait(SWEEP_S)

    def sweep(self, stop: threading.Event) -> int:
        """Looks at all that were asked for long enough ago. Returns how many are to be erased."""
        self.check_time()
        ends_at = self.clock() - timedelta(seconds=self.prompt_retention_s)
        before = streams.video_id(first_of(ends_at))
        return sum(self._sweep(tenant, before, stop) for tenant in self.query.tenants())

    def _sweep(self, tenant: str, before: str, stop: threading.Event) -> int:
        after, decided = None, 0
        while not stop.is_set():
            found = self.query.readable(tenant, after, before, PAGE_RENDERS_MAX)
            decided += sum(self._ended(streams.render(tenant, each)) for each in found)
            if len(found) < PAGE_RENDERS_MAX:
                break
            after = found[-1]
        return decided

    def _ended(self, stream: str) -> bool:
        """Whether a render is to be erased. One that cannot be read keeps its words, and none of the others theirs."""
        try:
            return self.end_retention(stream)
        except (Corrupt, SegmentUnreadable) as error:
            log.warning("retention_postponed", code=error.code, stream=stream)
            return False

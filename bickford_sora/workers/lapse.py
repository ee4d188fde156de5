"""Ending held renders that nobody approved in time. What was set aside for them is free again."""

from dataclasses import dataclass
from datetime import datetime

from bickford_sora.decisions import approvals
from bickford_sora.workers.workshop import Task, Workshop


@dataclass(frozen=True, slots=True)
class Lapse:
    """Denies renders whose time for an approval is over."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Records the end when it has come."""
        approval = self.shop.render(task).approval
        now = self.shop.now()
        self.shop.decide(task, lambda render: approvals.lapsed(render, now))
        until = approval.requested.expires_at if approval else None
        return max(until or now, self.shop.again())

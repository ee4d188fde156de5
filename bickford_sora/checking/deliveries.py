"""The books of deliveries: each ends once, and in time."""

from datetime import datetime, timedelta

from bickford_sora.checking.findings import Findings, Kind
from bickford_sora.checking.patience import Patience
from bickford_sora.checking.records import Record


class Deliveries:
    """Follows webhooks to endpoints until they are delivered or given up."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._open: dict[str, tuple[int, datetime]] = {}
        """By stream: where and when it was scheduled."""

    @property
    def open(self) -> int:
        """How much is kept in memory."""
        return len(self._open)

    def told(self, record: Record) -> None:
        """A fact in a delivery's stream."""
        if record.type == "delivery.scheduled":
            if record.version != 1:
                self._findings.add(Kind.RECORDED_TWICE, record.stream, record.position, "scheduled a second time")
            self._open[record.stream] = (record.position, record.recorded_at)
            return
        if record.stream not in self._open:
            message = f"{record.type} after it had ended"
            self._findings.add(Kind.DELIVERED_TWICE, record.stream, record.position, message)
        if record.type == "delivery.given_up" or record.fields.get("delivered"):
            self._open.pop(record.stream, None)

    def finish(self, now: datetime, patience: Patience) -> None:
        """Adds those that should have ended by `now`."""
        for stream, (position, at) in self._open.items():
            if now - at > timedelta(seconds=patience.delivery_s + patience.step_s):
                message = f"scheduled at {at}, neither delivered nor given up"
                self._findings.add(Kind.DELIVERY_OPEN, stream, position, message)

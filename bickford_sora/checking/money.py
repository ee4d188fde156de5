"""The books of money: each reservation ends once."""

from bickford_sora.checking.findings import Findings, Kind
from bickford_sora.checking.records import Record, hex_of
from bickford_sora.checking.renders import Renders


class Money:
    """Follows what is set aside, settled and released."""

    def __init__(self, findings: Findings, renders: Renders) -> None:
        self._findings = findings
        self._renders = renders

    def told(self, record: Record) -> None:
        """A fact in a tenant's spend stream."""
        if record.type == "spend.reserved" and record.fields.get("renders", 1):
            self._reserved(record)
        elif record.type in {"spend.settled", "spend.released"}:
            self._closed(record)
        elif record.type == "spend.adjusted" and record.fields.get("video_id"):
            self._corrected(record)

    def _reserved(self, record: Record) -> None:
        """Money is set aside. An excess over what was set aside before counts for no render and is passed over."""
        render = self._renders.named(record.fields["video_id"], record)
        render.reserved += 1
        if render.reserved > 1:
            self._add(Kind.RESERVED_TWICE, record, "set aside before")

    def _closed(self, record: Record) -> None:
        video_id = record.fields["video_id"]
        render = self._renders.named(video_id, record)
        if render.version == 0:  # its books were closed, or were never there
            del self._renders.open[render.video]
            self._add(Kind.CLOSED_TWICE, record, "its money was settled or released before, or never set aside")
            return
        render.closed.append(record.type)
        if not render.reserved and not render.is_reopened:
            self._add(Kind.NOT_RESERVED, record, "nothing was set aside for it")
        elif len(render.closed) > render.reserved:
            self._add(Kind.CLOSED_TWICE, record, f"{' and '.join(render.closed)} of one reservation")
        self._renders.close_if_over(render)

    def _corrected(self, record: Record) -> None:
        """A correction. Of a render whose books are closed it says nothing more."""
        render = self._renders.open.get(hex_of(record.fields["video_id"]))
        if render is not None:
            render.is_corrected = True

    def _add(self, kind: Kind, record: Record, message: str) -> None:
        self._findings.add(kind, record.stream, record.position, f"{record.fields['video_id']}: {message}")

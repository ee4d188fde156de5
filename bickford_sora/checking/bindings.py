"""The books of Idempotency-Keys: each made something that exists, once."""

from bickford_sora.checking.findings import Findings, Kind
from bickford_sora.checking.records import Record, hex_of

MAKING = frozenset({"render.intent", "character.requested"})
"""What a key can make."""
REFUSING = "render.denied"
"""After this a key is free for another request."""


class Bindings:
    """Follows keys until what they made is recorded, which is in the same append."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._bound: dict[str, Record] = {}
        """By the hex digits of what was made."""
        self._by_key: dict[str, int] = {}

    @property
    def open(self) -> int:
        """How much is kept in memory."""
        return len(self._bound) + len(self._by_key)

    def bound(self, record: Record) -> None:
        """A fact in a key's stream."""
        if record.version != 1:
            message = f"the key is bound a second time, to {record.fields['video_id']}"
            self._findings.add(Kind.RECORDED_TWICE, record.stream, record.position, message)
            return
        made = hex_of(record.fields["video_id"])
        if self._by_key.pop(made, None) is None:
            self._bound[made] = record

    def made(self, record: Record) -> None:
        """A render or character is asked for; one that names a key waits for its binding."""
        if self._bound.pop(record.subject, None) is None and record.fields.get("idempotency_stream"):
            self._by_key[record.subject] = record.position

    def refused(self, record: Record) -> None:
        """A render was denied: a refusal binds no key."""
        self._by_key.pop(record.subject, None)

    def finish(self) -> None:
        """Adds keys that made nothing, and what says it was made with a key that is not bound."""
        for record in self._bound.values():
            message = f"the key made {record.fields['video_id']}, which does not exist"
            self._findings.add(Kind.RENDER_MISSING, record.stream, record.position, message)
        for made, position in self._by_key.items():
            message = f"{made} was asked for with an Idempotency-Key, which is not bound"
            self._findings.add(Kind.CLAIM_UNMATCHED, "", position, message)

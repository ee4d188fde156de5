"""A fact as a leaf of the tree: every column, and the SHA-256 of the stored payload in place of the payload.

The envelope is the canonical JSON of RFC 8785: names in order, no spaces, UTF-8. Since it has the payload's hash and
not the payload, a proof neither tells what was asked for nor breaks when a key is destroyed. Its leaf hash is
SHA-256(0x00 || envelope) (RFC 6962 section 2.1); the index in the log is the position - 1.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from ledger.mapper import RecordedRow
from ledger.payloads import payload_sha256
from ledger.wire import POSTGRES_EPOCH

LEAF_PREFIX = b"\x00"
_MICROSECONDS = 1_000_000
_MINUTE_MICROSECONDS = 60 * _MICROSECONDS
_THREE_DIGITS = tuple(f"{number:03}" for number in range(1000))
_LEAF = sha256(LEAF_PREFIX)


class Envelope(msgspec.Struct, gc=False):
    """What an envelope says, in the order of its names. Ids are lower-case and hyphenated, moments by `moment`."""

    actor: str
    causation: str | None
    correlation: str | None
    event_id: str
    occurred_at: str
    payload_sha256: str
    position: int
    recorded_at: str
    stream: str
    tenant: str
    trace: str | None
    type: str
    version: int


_ENCODER = msgspec.json.Encoder()
canonical: Callable[[Envelope], bytes] = _ENCODER.encode
"""The bytes of an envelope. msgspec escapes what RFC 8785 section 3.2.2.2 escapes and nothing else."""


def envelope_of(row: RecordedRow) -> bytes:
    """The envelope of a recorded row."""
    context = row.context
    written = Envelope(
        position=row.id,
        stream=str(row.originator_id),
        version=row.originator_version,
        type=row.topic,
        event_id=str(row.event_id),
        recorded_at=moment(row.recorded_at),
        occurred_at=moment(context.occurred_at),
        tenant=context.tenant,
        actor=context.actor,
        correlation=None if context.correlation is None else str(context.correlation),
        causation=None if context.causation is None else str(context.causation),
        trace=context.trace,
        payload_sha256=payload_sha256(row.state),
    )
    return canonical(written)


def leaf_hash(envelope_bytes: bytes) -> bytes:
    """The leaf hash of an envelope, or of any other entry of a log."""
    hashed = _LEAF.copy()
    hashed.update(envelope_bytes)
    return hashed.digest()


def envelope_hashes(envelopes: Iterable[Envelope]) -> list[bytes]:
    """The leaf hashes of envelopes, each written into the same memory: that is less than to make the bytes of each.

    A hash that has begun is copied, which is less than to join prefix and entry.
    """
    begun, write, written = _LEAF.copy, _ENCODER.encode_into, bytearray()
    leaves = []
    for envelope in envelopes:
        write(envelope, written)
        hashed = begun()
        hashed.update(written)
        leaves.append(hashed.digest())
    return leaves


def leaf_of(row: RecordedRow) -> bytes:
    """The leaf hash of a recorded row."""
    return leaf_hash(envelope_of(row))


def moment(when: datetime) -> str:
    """An aware moment as `YYYY-MM-DDTHH:MM:SS.ffffffZ`: UTC, always six digits."""
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


class Moments:
    """Writes moments that come as PostgreSQL's own microseconds. Remembers the last: rows come in their order.

    Not for several threads.
    """

    def __init__(self) -> None:
        self._microseconds = self._second = self._minute = 0
        self._text = moment(POSTGRES_EPOCH)
        self._up_to_point = self._text[:-7]
        self._up_to_seconds = self._text[:-10]

    def text(self, microseconds: int) -> str:
        """A moment by its microseconds since 2000. Raises OverflowError for what is no date: infinity."""
        if microseconds == self._microseconds:
            return self._text
        into = microseconds - self._second
        if not 0 <= into < _MICROSECONDS:
            into = microseconds % _MICROSECONDS
            self._begin(microseconds - into)
        # Two look-ups take a third of the time that filling up with zeros takes.
        self._text = f"{self._up_to_point}{_THREE_DIGITS[into // 1000]}{_THREE_DIGITS[into % 1000]}Z"
        self._microseconds = microseconds
        return self._text

    def _begin(self, second: int) -> None:
        """Begins a second. The calendar, which takes five times as long, is asked for another minute only."""
        minute = second - second % _MINUTE_MICROSECONDS
        if minute != self._minute:
            self._up_to_seconds = moment(POSTGRES_EPOCH + timedelta(microseconds=minute))[:-10]
            self._minute = minute  # last: what is no date leaves nothing behind
        self._up_to_point = f"{self._up_to_seconds}{(second - minute) // _MICROSECONDS:02}."
        self._second = second

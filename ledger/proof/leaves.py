"""A fact as a leaf of the tree: every column, and the SHA-256 of the stored payload in place of the payload.

The envelope is the canonical JSON of RFC 8785: names in order, no spaces, UTF-8. Since it has the payload's hash and
not the payload, a proof neither tells what was asked for nor breaks when a key is destroyed. Its leaf hash is
SHA-256(0x00 || envelope) (RFC 6962 section 2.1); the index in the log is the position - 1.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias, TypeVar

import msgspec

from ledger.mapper import RecordedRow
from ledger.payloads import payload_sha256
from ledger.wire import POSTGRES_EPOCH

_Payload = TypeVar("_Payload")
Columns: TypeAlias = tuple[int, str, int, str, str, int, int, str, str, str | None, str | None, str | None, _Payload]
"""A row of `sql/rows.sql`: moments in microseconds since 2000, ids as text, and its payload or what tells its hash."""
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


def column_leaves(rows: Iterable[Columns[_Payload]], sha256_of: Callable[[_Payload], str]) -> list[bytes]:
    """The leaf hashes of rows as PostgreSQL sends them: of very many, so all is done in one loop.

    Each envelope is written into the same memory, and a hash that has begun is copied: that is less than to make the
    bytes of each, and to join prefix and entry. The seconds of the last row are remembered: rows come in their order.
    Raises OverflowError, TypeError or ValueError where a row has no envelope.
    """
    begun, write, written = _LEAF.copy, _ENCODER.encode_into, bytearray()
    begin, until = _second_of(0)
    occurred_begin, occurred_until = begin, until
    leaves = []
    for row in rows:
        position, stream, version, kind, event, recorded, occurred, tenant, actor, task, cause, trace, payload = row
        into = occurred - occurred_begin
        if not 0 <= into < _MICROSECONDS:
            occurred_begin, occurred_until = _second_of(occurred)
            into = occurred - occurred_begin
        # Two look-ups take a third of the time that filling up with zeros takes.
        at = f"{occurred_until}{_THREE_DIGITS[into // 1000]}{_THREE_DIGITS[into % 1000]}Z"
        into = recorded - begin
        if not 0 <= into < _MICROSECONDS:
            begin, until = _second_of(recorded)
            into = recorded - begin
        when = f"{until}{_THREE_DIGITS[into // 1000]}{_THREE_DIGITS[into % 1000]}Z"
        sha = sha256_of(payload)
        write(
            Envelope(actor, cause, task, event, at, sha, position, when, stream, tenant, trace, kind, version), written
        )
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


def _second_of(microseconds: int) -> tuple[int, str]:
    """The second that a moment of PostgreSQL's is in: where it begins, and what is written up to its point.

    In microseconds since 2000. Raises OverflowError for what is no date: infinity.
    """
    into = microseconds % _MINUTE_MICROSECONDS
    minute, seconds = microseconds - into, into // _MICROSECONDS
    return minute + seconds * _MICROSECONDS, f"{_minute(minute)}{seconds:02}."


@lru_cache(maxsize=8)
def _minute(microseconds: int) -> str:
    """A minute up to its seconds. The calendar takes five times as long as the rest of a moment."""
    return moment(POSTGRES_EPOCH + timedelta(microseconds=microseconds))[:-10]

"""Decisions as PostgreSQL binary arrays, encoded where they are made and only joined where they are sent.

Encoding the columns costs most of an append. It is done in the caller's thread, where several run at once; the
committer joins bytes. The format is PostgreSQL's `array_recv`: dimensions, a null flag, the element type's oid, one
length and lower bound, then each element behind its length (-1 for null).
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from psycopg import postgres

from ledger.envelope import Context
from ledger.mapper import Row

_INT4 = struct.Struct("!i")
_INT8 = struct.Struct("!q")
_SIZED_INT4 = struct.Struct("!ii")
_SIZED_INT8 = struct.Struct("!iq")
_HEADER = struct.Struct("!iiIii")
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""What PostgreSQL counts microseconds from."""
_NULL = _INT4.pack(-1)

FACT_COLUMNS = ("text", "int4", "text", "uuid", "timestamptz", "text", "text", "uuid", "uuid", "text", "bytea")
"""Element types of `ledger.append`'s arguments from `streams` to `payloads`."""
ARGUMENTS = ("int4", *FACT_COLUMNS, "int4", "text", "int4")
"""Element types of all its arguments: the decisions, the columns of their facts, and the heads."""
ARGUMENT_OIDS = tuple(postgres.types[element_type].array_oid for element_type in ARGUMENTS)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One decision ready to be sent: its stored events and heads as array elements, column by column."""

    facts: int
    columns: tuple[bytes, ...]
    heads: Mapping[str, int]
    written: frozenset[str]
    head_streams: bytes
    head_versions: bytes

    @property
    def size(self) -> int:
        """Bytes on the wire, near enough to bound a batch."""
        return sum(map(len, self.columns)) + len(self.head_streams)


def encode_decision(rows: Sequence[Row], heads: Mapping[str, int]) -> Encoded:
    """Encodes the stored events of one decision, which `ledger.bounds` has checked."""
    return Encoded(
        facts=len(rows),
        columns=tuple(map(b"".join, zip(*_elements(rows), strict=True))),
        heads=heads,
        written=frozenset(str(row.originator_id) for row in rows),
        head_streams=b"".join(map(_text, heads)),
        head_versions=b"".join(map(_int4, heads.values())),
    )


def _elements(rows: Sequence[Row]) -> Iterator[tuple[bytes, ...]]:
    """Each fact's array elements, in the order of `FACT_COLUMNS`."""
    context, shared = None, tuple[bytes, ...]()
    for row in rows:
        if row.context is not context:  # all facts of a decision share theirs
            context, shared = row.context, _context(row.context)
        yield (
            _text(str(row.originator_id)),
            _int4(row.originator_version),
            _text(row.topic),
            _bytes(row.event_id.bytes),
            *shared,
            _bytes(row.state),
        )


def _context(context: Context) -> tuple[bytes, ...]:
    return (
        _timestamptz(context.occurred_at),
        _text(context.tenant),
        _text(context.actor),
        _uuid(context.correlation),
        _uuid(context.causation),
        _NULL if context.trace is None else _text(context.trace),
    )


def append_arguments(batch: Sequence[Encoded]) -> list[bytes]:
    """The arguments of `ledger.append` for a batch, in binary; decisions are numbered by their place in it."""
    numbers = b"".join(_int4(number) * each.facts for number, each in enumerate(batch))
    facts = sum(each.facts for each in batch)
    columns = [b"".join(column) for column in zip(*(each.columns for each in batch), strict=True)]
    heads = sum(len(each.heads) for each in batch)
    head_numbers = b"".join(_int4(number) * len(each.heads) for number, each in enumerate(batch))
    head_streams = b"".join(each.head_streams for each in batch)
    head_versions = b"".join(each.head_versions for each in batch)
    elements = (numbers, *columns, head_numbers, head_streams, head_versions)
    lengths = (facts,) * (1 + len(columns)) + (heads,) * 3
    return [_array(*each) for each in zip(ARGUMENTS, lengths, elements, strict=True)]


def read_outcome(row: Sequence[bytes | None]) -> tuple[int, str, int | None, datetime | None]:
    """A row of `ledger.append`'s answer: the decision's number, the outcome, its first position and time."""
    number, outcome, position, at = row
    if number is None or outcome is None:
        raise ValueError("an answer without its decision or outcome")
    moment = None if at is None else POSTGRES_EPOCH + timedelta(microseconds=_INT8.unpack(at)[0])
    return _INT4.unpack(number)[0], outcome.decode(), None if position is None else _INT8.unpack(position)[0], moment


def _array(element_type: str, length: int, elements: bytes) -> bytes:
    return _HEADER.pack(1, 1, postgres.types[element_type].oid, length, 1) + elements


def _bytes(value: bytes) -> bytes:
    return _INT4.pack(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())


def _int4(value: int) -> bytes:
    return _SIZED_INT4.pack(4, value)


def _uuid(value: UUID | None) -> bytes:
    return _NULL if value is None else _bytes(value.bytes)


def _timestamptz(value: datetime) -> bytes:
    """Microseconds since 2000-01-01 UTC."""
    delta = value - POSTGRES_EPOCH
    return _SIZED_INT8.pack(8, (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds)

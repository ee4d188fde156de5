"""Decisions as PostgreSQL binary arrays, encoded where they are made and only joined where they are sent.

Encoding the columns costs most of an append. It is done in the caller's thread, where several may run at once; the
committer joins bytes. The format is PostgreSQL's `array_recv`: dimensions, a null flag, the element type's oid, one
length and lower bound, then each element behind its length (-1 for null).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
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
_MICROSECOND = timedelta(microseconds=1)
_NULL = _INT4.pack(-1)
_SIZED_UUID = struct.Struct("!i16s")
_NAMES_KEPT = 1_024
"""How many types, tenants and actors are kept encoded: they come again and again."""

FACT_COLUMNS = ("text", "int4", "text", "uuid", "timestamptz", "text", "text", "uuid", "uuid", "text", "bytea")
"""Element types of `ledger.append`'s arguments from `streams` to `payloads`."""
ARGUMENTS = ("int4", *FACT_COLUMNS, "int4", "text", "int4")
"""Element types of all its arguments: the decisions, the columns of their facts, and the heads."""
ARGUMENT_OIDS = tuple(postgres.types[element_type].array_oid for element_type in ARGUMENTS)
_ELEMENT_OIDS = tuple(postgres.types[element_type].oid for element_type in ARGUMENTS)


class Encoded(NamedTuple):
    """One decision ready to be sent: its stored events and heads as array elements, column by column.

    A named tuple for the reason `ledger.envelope.Context` is one.
    """

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
    streams = {stream: _text(stream) for stream in heads}
    written: list[str] = [str(row.originator_id) for row in rows]
    return Encoded(
        facts=len(rows),
        columns=(
            b"".join([streams[stream] for stream in written]),
            b"".join([_int4(row.originator_version) for row in rows]),
            b"".join([_name(row.topic) for row in rows]),
            b"".join([_uuid(row.event_id) for row in rows]),
            *_contexts([row.context for row in rows]),
            b"".join([_bytes(row.state) for row in rows]),
        ),
        heads=heads,
        written=frozenset(written),
        head_streams=b"".join(streams.values()),
        head_versions=b"".join([_int4(head) for head in heads.values()]),
    )


def _contexts(contexts: Sequence[Context]) -> Iterable[bytes]:
    first = contexts[0]
    if all(context is first for context in contexts):  # as a rule: all facts of a decision share theirs
        return [element * len(contexts) for element in _context(first)]
    return map(b"".join, zip(*map(_context, contexts), strict=True))


def _context(context: Context) -> tuple[bytes, ...]:
    return (
        _timestamptz(context.occurred_at),
        _name(context.tenant),
        _name(context.actor),
        _uuid(context.correlation),
        _uuid(context.causation),
        _NULL if context.trace is None else _text(context.trace),
    )


def append_arguments(batch: Sequence[Encoded]) -> list[bytes]:
    """The arguments of `ledger.append` for a batch, in binary; decisions are numbered by their place in it."""
    facts, columns, heads, _, head_streams, head_versions = zip(*batch, strict=True)
    head_counts = [len(each) for each in heads]
    elements = (_numbers(facts), *map(b"".join, zip(*columns, strict=True)), _numbers(head_counts))
    lengths = (sum(facts),) * (1 + len(FACT_COLUMNS)) + (sum(head_counts),) * 3
    arrays = zip(_ELEMENT_OIDS, lengths, (*elements, b"".join(head_streams), b"".join(head_versions)), strict=True)
    return [_HEADER.pack(1, 1, oid, length, 1) + joined for oid, length, joined in arrays]


def _numbers(counts: Sequence[int]) -> bytes:
    """The number of each decision, as often as it is counted."""
    return b"".join([_int4(number) * count for number, count in enumerate(counts)])


def read_outcome(row: Sequence[bytes | None]) -> tuple[int, str, int | None, datetime | None]:
    """A row of `ledger.append`'s answer: the decision's number, the outcome, its first position and time."""
    number, outcome, position, at = row
    if number is None or outcome is None:
        raise ValueError("an answer without its decision or outcome")
    return (
        _INT4.unpack(number)[0],
        outcome.decode(),
        None if position is None else _INT8.unpack(position)[0],
        None if at is None else _moment(at),
    )


@lru_cache(1)  # all that is appended at once has one time
def _moment(at: bytes) -> datetime:
    return POSTGRES_EPOCH + timedelta(microseconds=_INT8.unpack(at)[0])


def _bytes(value: bytes) -> bytes:
    return _INT4.pack(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())


@lru_cache(_NAMES_KEPT)
def _name(value: str) -> bytes:
    return _text(value)


def _int4(value: int) -> bytes:
    return _SIZED_INT4.pack(4, value)


def _uuid(value: UUID | None) -> bytes:
    return _NULL if value is None else _SIZED_UUID.pack(16, value.bytes)


def _timestamptz(value: datetime) -> bytes:
    """Microseconds since 2000-01-01 UTC."""
    return _SIZED_INT8.pack(8, (value - POSTGRES_EPOCH) // _MICROSECOND)

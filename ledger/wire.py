"""Decisions as arrays of PostgreSQL's composite types, encoded where they are made and only joined where they are sent.

Encoding the columns costs most of an append. It is done in the caller's thread, where several may run at once; the
committer joins bytes. The formats are PostgreSQL's `array_recv` (dimensions, a null flag, the element type's oid, one
length and lower bound, then each element behind its length) and `record_recv` (how many columns, then each behind its
type's oid and its length, which is -1 for null).
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

FACT_COLUMNS = 12
"""How many `ledger.fact` has."""
HEAD_COLUMNS = 3
"""How many `ledger.head` has."""
_BYTEA, _INT4, _TEXT, _TIMESTAMPTZ, _UUID = (
    postgres.types[name].oid for name in ("bytea", "int4", "text", "timestamptz", "uuid")
)
_ARRAY = struct.Struct("!iiIii")
"""Dimensions, whether there are nulls, the element type's oid, the length and the lower bound."""
_RECORD = struct.Struct("!ii")
"""Bytes of the record behind this number, and how many columns."""
_COLUMN = struct.Struct("!Ii")
"""A column's type and length; its value comes behind."""
_INT4_COLUMN = struct.Struct("!Iii")
_INT8_COLUMN = struct.Struct("!Iiq")
_UUID_COLUMN = struct.Struct("!Ii16s")
_INT4_VALUE = struct.Struct("!i")
_INT8_VALUE = struct.Struct("!q")
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""What PostgreSQL counts microseconds from."""
_MICROSECOND = timedelta(microseconds=1)
_NULL = -1
_NAMES_KEPT = 1_024
"""How many types, tenants and actors are kept encoded: they come again and again."""


class Encoded(NamedTuple):
    """One decision ready to be sent: records that lack their last column, the decision's number in its batch.

    A named tuple for the reason `ledger.envelope.Context` is one.
    """

    facts: tuple[bytes, ...]
    heads: Mapping[str, int]
    written: frozenset[str]
    head_records: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Bytes on the wire, near enough to bound a batch."""
        return sum(map(len, self.facts)) + sum(map(len, self.head_records))


class RecordTypes(NamedTuple):
    """Which oids `ledger.fact` and `ledger.head` have in this database."""

    fact: int
    head: int


def encode_decision(rows: Sequence[Row], heads: Mapping[str, int]) -> Encoded:
    """Encodes the stored events of one decision, which `ledger.bounds` has checked."""
    streams = {stream: _text(stream) for stream in heads}
    contexts = _contexts([row.context for row in rows])
    facts = [
        _record(
            FACT_COLUMNS,
            streams[str(row.originator_id)]
            + _int4(row.originator_version)
            + _name(row.topic)
            + _uuid(row.event_id)
            + context
            + _COLUMN.pack(_BYTEA, len(row.state))
            + row.state,
        )
        for row, context in zip(rows, contexts, strict=True)
    ]
    return Encoded(
        facts=tuple(facts),
        heads=heads,
        written=frozenset([str(row.originator_id) for row in rows]),
        head_records=tuple([_record(HEAD_COLUMNS, streams[stream] + _int4(head)) for stream, head in heads.items()]),
    )


def _contexts(contexts: Sequence[Context]) -> Iterable[bytes]:
    first = contexts[0]
    if all(context is first for context in contexts):  # as a rule: all facts of a decision share theirs
        return [_context(first)] * len(contexts)
    return map(_context, contexts)


def _context(context: Context) -> bytes:
    return (
        _timestamptz(context.occurred_at)
        + _name(context.tenant)
        + _name(context.actor)
        + _uuid(context.correlation)
        + _uuid(context.causation)
        + (_COLUMN.pack(_TEXT, _NULL) if context.trace is None else _text(context.trace))
    )


def append_arguments(batch: Sequence[Encoded], types: RecordTypes) -> list[bytes]:
    """The arguments of `ledger.append` for a batch, in binary; decisions are numbered by their place in it."""
    numbers = [_int4(number) for number in range(len(batch))]
    facts = [fact + number for number, each in zip(numbers, batch, strict=True) for fact in each.facts]
    heads = [head + number for number, each in zip(numbers, batch, strict=True) for head in each.head_records]
    return [_array(types.fact, facts), _array(types.head, heads)]


def _array(type_: int, elements: Sequence[bytes]) -> bytes:
    return _ARRAY.pack(1, 0, type_, len(elements), 1) + b"".join(elements)


def read_outcome(row: Sequence[bytes | None]) -> tuple[int, str, int | None, datetime | None]:
    """A row of `ledger.append`'s answer: the decision's number, the outcome, its first position and time."""
    number, outcome, position, at = row
    if number is None or outcome is None:
        raise ValueError("an answer without its decision or outcome")
    return (
        _INT4_VALUE.unpack(number)[0],
        outcome.decode(),
        None if position is None else _INT8_VALUE.unpack(position)[0],
        None if at is None else _moment(at),
    )


@lru_cache(1)  # all that is appended at once has one time
def _moment(at: bytes) -> datetime:
    return POSTGRES_EPOCH + timedelta(microseconds=_INT8_VALUE.unpack(at)[0])


def _record(columns: int, first: bytes) -> bytes:
    """A record as an element of an array; behind its `first` columns, one number is still to come."""
    return _RECORD.pack(_INT4_VALUE.size + len(first) + _INT4_COLUMN.size, columns) + first


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _COLUMN.pack(_TEXT, len(encoded)) + encoded


@lru_cache(_NAMES_KEPT)
def _name(value: str) -> bytes:
    return _text(value)


def _int4(value: int) -> bytes:
    return _INT4_COLUMN.pack(_INT4, 4, value)


def _uuid(value: UUID | None) -> bytes:
    return _COLUMN.pack(_UUID, _NULL) if value is None else _UUID_COLUMN.pack(_UUID, 16, value.bytes)


def _timestamptz(value: datetime) -> bytes:
    """Microseconds since 2000-01-01 UTC."""
    return _INT8_COLUMN.pack(_TIMESTAMPTZ, 8, (value - POSTGRES_EPOCH) // _MICROSECOND)

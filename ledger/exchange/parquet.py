"""Facts as a Parquet file: a typed column for each column of the ledger, and the payload's stored bytes.

Needs pyarrow, the extra `parquet`. Rows are written in groups, so that memory stays flat; pages carry checksums.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from ledger.envelope import Context
from ledger.exchange.errors import ExportDamaged, ExportRefused
from ledger.mapper import RecordedRow
from ledger.proof.leaves import leaf_of

ROW_GROUP_EVENTS = 20_000
"""Facts in one row group."""
READ_ROWS = 2_000
"""Rows that are read at a time."""

_LEDGER_ID = b"ledger_id"


class Appendable(Protocol):
    """A binary file that is only ever appended to."""

    closed: bool

    def write(self, content: bytes, /) -> int:
        """Appends. Returns the length."""

    def tell(self) -> int:
        """How much was appended."""

    def flush(self) -> None:
        """Hands on what is held."""


class ParquetWriter:
    """Writes facts in row groups to a file that is only ever appended to."""

    def __init__(self, file: Appendable, ledger_id: str) -> None:
        """Raises ExportRefused where pyarrow is not installed."""
        arrow, parquet = _arrow()
        self._arrow = arrow
        self._schema = _schema(arrow, ledger_id)
        self._held: list[tuple[Any, ...]] = []
        self._writer = parquet.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=["stream", "type", "tenant", "actor"],
            write_page_checksum=True,
        )

    def write(self, row: RecordedRow, leaf: bytes) -> None:
        """Takes one fact and its leaf hash."""
        self._held.append(_values(row, leaf))
        if len(self._held) >= ROW_GROUP_EVENTS:
            self._write_group()

    def finish(self) -> None:
        """Writes what is held, and the file's end."""
        if self._held:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        columns = [
            self._arrow.array(column, field.type)
            for column, field in zip(zip(*self._held, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
        self._held = []


def read_rows(path: Path, ledger_id: str) -> Iterator[tuple[str, RecordedRow, bytes]]:
    """Each row's place in words, the fact and its leaf hash. Raises ExportDamaged at the first that is not in order."""
    arrow, parquet = _arrow()
    number = 0
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            _check_schema(file.schema_arrow, ledger_id)
            for batch in file.iter_batches(batch_size=READ_ROWS):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield _checked(values, f"row {number}")
    except (arrow.ArrowException, OSError, ValueError, TypeError, AttributeError) as error:
        raise ExportDamaged(f"after row {number}", f"the file cannot be read ({type(error).__name__})") from None


def _checked(values: Sequence[Any], place: str) -> tuple[str, RecordedRow, bytes]:
    *columns, payload, payload_sha256, leaf = values
    position, stream, version, kind, event_id, recorded_at, occurred_at, tenant, actor, *rest = columns
    row = RecordedRow(
        stream, version, kind, payload, position, event_id, Context(tenant, actor, occurred_at, *rest), recorded_at
    )
    if hashlib.sha256(payload).hexdigest() != payload_sha256:
        what = "its payload is not the one that was recorded: the SHA-256 differs"
        raise ExportDamaged(place, f"position {position}: {what}")
    if leaf_of(row).hex() != leaf:
        what = "its columns are not those that were recorded: the leaf hash differs"
        raise ExportDamaged(place, f"position {position}: {what}")
    return place, row, bytes.fromhex(leaf)


def _values(row: RecordedRow, leaf: bytes) -> tuple[Any, ...]:
    """The columns in the schema's order."""
    context = row.context
    return (
        row.id,
        str(row.originator_id),
        row.originator_version,
        row.topic,
        row.event_id.bytes,
        row.recorded_at,
        context.occurred_at,
        context.tenant,
        context.actor,
        context.correlation.bytes if context.correlation else None,
        context.causation.bytes if context.causation else None,
        context.trace,
        row.state,
        hashlib.sha256(row.state).hexdigest(),
        leaf.hex(),
    )


def _schema(arrow: Any, ledger_id: str | None) -> Any:
    moment, text, unique = arrow.timestamp("us", tz="UTC"), arrow.string(), arrow.uuid()
    return arrow.schema(
        [
            arrow.field("position", arrow.int64(), nullable=False),
            arrow.field("stream", text, nullable=False),
            arrow.field("version", arrow.int32(), nullable=False),
            arrow.field("type", text, nullable=False),
            arrow.field("event_id", unique, nullable=False),
            arrow.field("recorded_at", moment, nullable=False),
            arrow.field("occurred_at", moment, nullable=False),
            arrow.field("tenant", text, nullable=False),
            arrow.field("actor", text, nullable=False),
            arrow.field("correlation", unique),
            arrow.field("causation", unique),
            arrow.field("trace", text),
            arrow.field("payload", arrow.binary(), nullable=False),
            arrow.field("payload_sha256", text, nullable=False),
            arrow.field("leaf_hash", text, nullable=False),
        ],
        metadata={_LEDGER_ID: ledger_id} if ledger_id else None,
    )


def _check_schema(found: Any, ledger_id: str) -> None:
    arrow, _ = _arrow()
    if not found.equals(_schema(arrow, None)):
        raise ExportDamaged("the schema", "its columns are not those of an export")
    said = (found.metadata or {}).get(_LEDGER_ID, b"").decode()
    if said != ledger_id:
        raise ExportDamaged("the schema", f"it holds facts of the ledger {said or 'without an id'}")


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as arrow  # noqa: ICN001, PLC0415 - an extra: only who asks for Parquet needs it
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError:
        raise ExportRefused("Parquet takes pyarrow: pip install 'bickford-sora[parquet]'") from None
    return arrow, parquet

"""Which facts an export holds, and their rows."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.errors import Corrupt
from ledger.events import WebhookReceived
from ledger.exchange.errors import ExportRefused
from ledger.exchange.tenancy import of_tenant
from ledger.mapper import RecordedRow
from ledger.payloads import ReadPayload, is_moved, unread
from ledger.recorder import recorded_row
from ledger.sql import query

READ_ROWS = 2_000
"""Rows that are fetched at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which facts are meant; what is None or empty restricts nothing. `since` and `before` bound `recorded_at`."""

    first: int = 1
    """The first position."""
    last: int | None = None
    """The last position; None: the ledger's last one."""
    tenant: str | None = None
    """Facts of this tenant, as `ledger.exchange.tenancy` says."""
    types: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    positions: tuple[int, ...] | None = None
    """These alone."""

    def until(self, size: int) -> "Selection":
        """The same, to the end of a checkpoint of this size, unless its last position was given or is behind that."""
        return replace(self, last=size) if self.last is None and size >= self.first else self

    def at(self, positions: Iterable[int]) -> "Selection":
        """The same, at these positions alone."""
        return replace(self, positions=tuple(positions))


def identify(connection: Connection[TupleRow]) -> UUID:
    """The id of the ledger."""
    row = connection.execute(query("ledger_id", "ledger.proof.sql")).fetchone()
    if row is None:
        raise Corrupt("the ledger has no id: its table of epochs is empty")
    return UUID(str(row[0]))


def select_last(connection: Connection[TupleRow], selection: Selection) -> int:
    """The last position an export of `selection` looks at. Raises ExportRefused when it lies before its first."""
    row = connection.execute(query("head")).fetchone()
    head = (row[0] if row else None) or 0
    if selection.last is not None and selection.last > head:
        raise ExportRefused(f"the ledger has {head} facts, position {selection.last} is not among them")
    last = head if selection.last is None else selection.last
    if not 1 <= selection.first <= last + 1:
        raise ExportRefused(f"there is nothing from position {selection.first} to {last}")
    return last


def select_rows(
    connection: Connection[TupleRow], selection: Selection, *, last: int, payloads: ReadPayload = unread
) -> Iterator[RecordedRow]:
    """The rows up to position `last`, in order. Memory stays flat, however many there are. Raises SegmentUnreadable."""
    bounds: dict[str, Any] = {**asdict(selection), "last": last}
    bounds["types"] = list(selection.types) or None
    bounds["positions"] = None if selection.positions is None else list(selection.positions)
    bounds["receipt"] = WebhookReceived.TYPE
    with connection.transaction(), connection.cursor("export") as cursor:
        connection.execute(query("read_for_long"))
        cursor.itersize = READ_ROWS
        cursor.execute(query("selected"), bounds, binary=True)
        rows: Iterator[RecordedRow] = map(recorded_row, cursor)
        if selection.tenant is not None:
            rows = of_tenant(connection, rows, selection.tenant, payloads=payloads)
        for row in rows:
            yield replace(row, state=payloads(row.id, row.state)) if is_moved(row.state) else row

"""Whose a fact is: of the tenant in its column, but for the receipt of a renderer's webhook.

Webhooks are received by the tenant that runs the server, before anybody knows whose they are: a job may be claimed
later. So their receipts are its facts, and whose one is, is read: the tenant's who had claimed the job by then.
`projections/sql/audit/insert.sql` goes by the same rule, and a test holds one to the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.events import JobClaimed, WebhookReceived
from ledger.mapper import RecordedRow
from ledger.payloads import ReadPayload, is_moved
from ledger.sql import query

RECEIPTS_ROWS = 2_000
"""Rows whose claims are looked up at a time."""


def of_tenant(
    connection: Connection[TupleRow], rows: Iterable[RecordedRow], tenant: str, *, payloads: ReadPayload
) -> Iterator[RecordedRow]:
    """Those of `rows` that are a tenant's facts, in their order. Raises SegmentUnreadable."""
    left = iter(rows)
    while page := [*islice(left, RECEIPTS_ROWS)]:
        owners = _owners(connection, [row for row in page if row.topic == WebhookReceived.TYPE], payloads)
        yield from (row for row in page if owners.get(row.id, row.context.tenant) == tenant)


def _owners(connection: Connection[TupleRow], receipts: Sequence[RecordedRow], payloads: ReadPayload) -> dict[int, str]:
    """The tenants of receipts whose job had been claimed, by position."""
    jobs = {row.id: _job_stream(payloads(row.id, row.state) if is_moved(row.state) else row.state) for row in receipts}
    asked = {"streams": [*{stream for stream in jobs.values() if stream}], "type": JobClaimed.TYPE}
    claims = {stream: (at, tenant) for stream, at, tenant in connection.execute(query("claims"), asked)} if jobs else {}
    return {
        position: claims[stream][1]
        for position, stream in jobs.items()
        if stream in claims and claims[stream][0] < position
    }


def _job_stream(payload: bytes) -> str | None:
    """The stream that a receipt names. None where it names none: an export holds what cannot be read as well."""
    try:
        named = orjson.loads(payload)["f"]["job_stream"]
    except (ValueError, KeyError, TypeError):
        return None
    return named if isinstance(named, str) else None

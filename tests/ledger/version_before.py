"""How a process of the version before appends: an array for each column, to 0002's function."""

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.envelope import Decision

from .ledger_facts import rows_of

APPEND = """
select outcome, first_position from ledger.append(
    %s::int[], %s::text[], %s::int[], %s::text[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::uuid[],
    %s::uuid[], %s::text[], %s::bytea[], %s::int[], %s::text[], %s::int[])
"""


def append(connection: Connection[TupleRow], decided: Decision) -> tuple[str, int | None]:
    """The outcome, and the first position if there is one."""
    rows = [
        (0, row.originator_id, row.originator_version, row.topic, row.event_id, row.context.occurred_at,
         row.context.tenant, row.context.actor, row.context.correlation, row.context.causation, row.context.trace,
         row.state)
        for row in rows_of(decided)
    ]  # fmt: skip
    heads = [(0, stream, head) for stream, head in decided.heads.items()]
    arguments = [list(column) for column in (*zip(*rows, strict=True), *zip(*heads, strict=True))]
    [(outcome, first_position)] = connection.execute(APPEND, arguments).fetchall()
    return outcome, first_position

"""The rows that SQL makes from facts, made a second time, in Python."""

from collections.abc import Iterable, Iterator
from typing import Any

from ledger import events as e
from ledger.envelope import Event, Fact

Row = tuple[Any, ...]


def audit_row(event: Event) -> Row:
    """As `projections/sql/audit/insert.sql`."""
    known, context = vars(event.fact), event.context
    category, _, name = event.stream.partition(":")
    video_id = f"video_{name.rpartition(':')[2]}" if category == "render" else known.get("video_id")
    return (
        event.position,
        event.stream,
        event.version,
        event.fact.TYPE,
        event.event_id,
        event.recorded_at,
        context.occurred_at,
        context.tenant,
        context.actor,
        context.correlation,
        context.causation,
        context.trace,
        known.get("project"),
        video_id,
        known.get("requester"),
        known.get("renderer"),
        known.get("job_id"),
        known.get("webhook_event_id"),
        known.get("code"),
    )


def movements(events: Iterable[Event]) -> Iterator[Row]:
    """As `projections/sql/spend/insert.sql`."""
    for event in events:
        kind = _KINDS.get(type(event.fact))
        if kind is not None:
            yield (event.position, event.stream, event.context.tenant, kind, *_moved(event))


def _moved(event: Event) -> Row:
    known = vars(event.fact)
    cost: e.Money | None = known["cost"]
    return (
        known["video_id"],
        event.context.occurred_at,
        known.get("day"),
        known.get("project"),
        known.get("key_id"),
        known.get("requester"),
        known.get("model"),
        known.get("renderer"),
        known.get("purpose"),
        list(known.get("tags", ())),
        cost.currency if cost else None,
        cost.amount_micro if cost else 0,
        known.get("renders", 0),
        known.get("seconds", 0),
    )


_KINDS: dict[type[Fact], str] = {
    e.SpendReserved: "reserved",
    e.SpendSettled: "settled",
    e.SpendReleased: "released",
    e.SpendAdjusted: "adjusted",
}

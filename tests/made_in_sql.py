"""The rows that SQL makes from facts, made a second time, in Python."""

from collections.abc import Iterable, Iterator
from typing import Any

from ledger import events as e
from ledger.envelope import Event, Fact

Row = tuple[Any, ...]


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

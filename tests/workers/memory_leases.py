"""Leases in memory: what `projections.leases` says of a claim, without a database. One contract suite runs on both."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from ledger.events import Step
from projections.leases import ANY_ROOM, Hands, Rooms, WorkItem, holders

AT_ONCE = datetime.min.replace(tzinfo=UTC)


class MemoryLeases:
    """Hands out what is due, once per lease. It knows of no queue: a submission is a step like any other."""

    def __init__(self, *items: WorkItem) -> None:
        self.due = {each.stream: (each, AT_ONCE) for each in items}
        self.calls: Counter[str] = Counter()
        self.released: list[tuple[str, datetime]] = []
        self.errors: list[Exception] = []
        self.release_errors: list[Exception] = []

    def add(self, item: WorkItem, due_at: datetime) -> None:
        self.due[item.stream] = (item, due_at)

    def claim(  # noqa: PLR0917 - as the real ones
        self,
        owner: str,
        limit: int,
        lease_s: float,
        now: datetime,
        steps: Collection[Step] | None = None,
        rooms: Rooms = ANY_ROOM,  # noqa: ARG002 - as above
        hands: Hands | None = None,
    ) -> list[WorkItem]:
        self.calls["claim"] += 1
        if self.errors:
            raise self.errors.pop()
        waiting = sorted(self.due.values(), key=lambda each: each[1])
        ready = [each for each, due in waiting if due <= now and (steps is None or each.step in steps)]
        chosen = ready[:limit] if hands is None else list(_shared(ready, limit, hands))
        claimed = [replace(each, owner=owner, attempt=each.attempt + 1) for each in chosen]
        self.due |= {each.stream: (each, now + timedelta(seconds=lease_s)) for each in claimed}
        return claimed

    def release_all(self, items: Sequence[tuple[WorkItem, datetime]]) -> list[bool]:
        self.calls["release"] += len(items)
        if self.release_errors:
            raise self.release_errors.pop()
        self.released += [(item.stream, due_at) for item, due_at in items]
        self.due |= {item.stream: (item, due_at) for item, due_at in items}
        return [True] * len(items)

    def renew(self, item: WorkItem, lease_s: float, now: datetime) -> bool:
        self.calls["renew"] += 1
        self.due[item.stream] = (item, now + timedelta(seconds=lease_s))
        return True

    def sweep(self, now: datetime) -> int:  # noqa: ARG002 - as above
        return 0


def _shared(ready: Sequence[WorkItem], limit: int, hands: Hands) -> Iterator[WorkItem]:
    """One at a time, from whoever holds least then."""
    held, left = Counter(hands.held), {each.stream: (place, each) for place, each in enumerate(ready)}
    for free in range(limit, 0, -1):
        able = [
            (held[_tenant(each)], held[each.callee], place, each)
            for place, each in left.values()
            if held[each.callee] < hands.callee_max and held[_tenant(each)] < free
        ]
        if not able:
            return
        by_tenant = groupby(sorted(able, key=lambda each: (_tenant(each[3]), each[1:3])), lambda each: _tenant(each[3]))
        firsts = [next(each) for _, each in by_tenant]
        item = min(firsts, key=lambda each: (each[0], each[2]))[3]
        held.update(holders(item.callee))
        del left[item.stream]
        yield item


def _tenant(item: WorkItem) -> str:
    return item.callee.partition("/")[0]

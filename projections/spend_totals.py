"""The totals of `projections.spend`, summed from facts in place of rows: for spend as it was. Pure.

Only what is still open is held, so that memory does not grow with the ledger.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger import events as e
from ledger.envelope import Event
from ledger.lifecycle import ImpossibleStep
from projections.spend import TOTALS_MAX, By, Span, Total

MONTH_CHARS = len("2026-11")
_PLAIN = {"day": "day", "model": "model", "renderer": "renderer", "project": "project", "key": "key_id"}
_PLAIN |= {"requester": "requester", "purpose": "purpose"}
"""Properties that are a field of the fact."""
_SUMS = ("renders", "seconds", "reserved", "settled", "released", "open", "adjusted")


@dataclass(slots=True)
class _Open:
    """What is set aside for one render."""

    first: e.SpendReserved
    reserved_micro: int


class _Sums:
    """Sums by name and currency."""

    def __init__(self, span: Span, by: By) -> None:
        self._span = span
        self._by = by
        self._counts: dict[tuple[str | None, str | None], Counter[str]] = defaultdict(Counter)

    def count(self, whose: e.SpendReserved | e.SpendAdjusted, numbers: dict[str, int]) -> None:
        """Adds numbers for whom a fact counts, when it is of the project and the days asked about."""
        span = self._span
        if span.first <= whose.day <= span.last and span.project in (None, whose.project):
            for name in _names(whose, self._by):
                self._counts[name, whose.cost.currency if whose.cost else None].update(numbers)

    def totals(self) -> list[Total]:
        """The sums, by name."""
        ordered = sorted(self._counts.items(), key=lambda item: [(part is None, part or "") for part in item[0]])
        return [Total(*names, *(counted[each] for each in _SUMS)) for names, counted in ordered[:TOTALS_MAX]]


def totals(events: Iterable[Event], span: Span, by: By) -> Sequence[Total]:
    """What `SpendTable.totals` answers when these are all the events of the tenant's spend.

    Raises ImpossibleStep for what is settled or released without having been reserved.
    """
    sums = _Sums(span, by)
    held: dict[str, _Open] = {}
    for event in events:
        fact = event.fact
        if isinstance(fact, e.SpendReserved):
            mine = held.setdefault(fact.video_id, _Open(fact, 0))
            mine.reserved_micro += fact.cost.amount_micro if fact.cost else 0
        elif isinstance(fact, e.SpendSettled | e.SpendReleased):
            _close(sums, held, event.stream, fact)
        elif isinstance(fact, e.SpendAdjusted):
            sums.count(fact, {"adjusted": fact.cost.amount_micro})
    for each in held.values():
        sums.count(each.first, {**_size(each.first), "reserved": each.reserved_micro, "open": each.reserved_micro})
    return sums.totals()


def _close(sums: _Sums, held: dict[str, _Open], stream: str, fact: e.SpendSettled | e.SpendReleased) -> None:
    was = held.pop(fact.video_id, None)
    if was is None:
        raise ImpossibleStep(f"nothing is reserved for {fact.video_id} in {stream}")
    if isinstance(fact, e.SpendReleased):
        sums.count(was.first, {"reserved": was.reserved_micro, "released": was.reserved_micro})
        return
    settled = fact.cost.amount_micro if fact.cost else 0
    moved = {"reserved": was.reserved_micro, "settled": settled, "released": was.reserved_micro - settled}
    sums.count(was.first, {**_size(was.first), **moved})


def _size(fact: e.SpendReserved) -> dict[str, int]:
    return {"renders": fact.renders, "seconds": fact.seconds}


def _names(fact: e.SpendReserved | e.SpendAdjusted, by: By) -> Sequence[str | None]:
    if by == "tag":
        return fact.tags or (None,)
    if by == "month":
        return (fact.day[:MONTH_CHARS],)
    return (vars(fact)[_PLAIN[by]],)

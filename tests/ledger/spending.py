"""The books of a tenant, kept a second time and as plainly as can be: sums over the facts, to compare folds with."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger import events as e
from ledger.envelope import Fact

USD = "USD"


def usd(amount_micro: int) -> e.Money:
    return e.Money(amount_micro=amount_micro, currency=USD)


@dataclass
class Books:
    """What was reserved, settled, released and is open, in millionths, by render."""

    reserved: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """How often a reservation was settled or released."""

    @property
    def open(self) -> dict[str, int]:
        return {video_id: amount for video_id, amount in self.reserved.items() if not self.ends[video_id]}


def books_of(facts: Iterable[Fact]) -> Books:
    books = Books()
    for fact in facts:
        if isinstance(fact, e.SpendReserved):
            books.reserved[fact.video_id] += fact.cost.amount_micro if fact.cost else 0
        elif isinstance(fact, e.SpendSettled):
            books.ends[fact.video_id] += 1
            cost = fact.cost.amount_micro if fact.cost else 0
            books.settled[fact.video_id] += cost
            books.released[fact.video_id] += books.reserved[fact.video_id] - cost
        elif isinstance(fact, e.SpendReleased):
            books.ends[fact.video_id] += 1
            books.released[fact.video_id] += fact.cost.amount_micro if fact.cost else 0
    return books


def check_balanced(books: Books) -> None:
    """Reserved is settled, released and open, for every render, and each reservation ends once at most."""
    assert set(books.ends) <= set(books.reserved)
    assert max(books.ends.values(), default=0) <= 1
    for video_id, reserved in books.reserved.items():
        assert reserved == books.settled[video_id] + books.released[video_id] + books.open.get(video_id, 0)

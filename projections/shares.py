"""The ledger up to a position, cut into shares that can be replayed at the same time.

Streams of which Python makes rows are read one after the other, each category by the index of streams. Of all others
the events are only validated, in the order they lie in: that needs no sorting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.sql import query
from projections.port import Projection

SAMPLE_PERCENT = 1
"""How much of the ledger is looked at to find where to cut."""

_SQL = "projections.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The streams of a category (None: of all) behind `after`, up to `last` (None: from the first, to the last)."""

    category: str | None
    after: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfolded:
    """The events with `after` < position <= `until`, of these categories (None: all) but those that are folded."""

    after: int
    until: int
    categories: Sequence[str] | None
    folded: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What is read of the events up to `until`: streams to be folded, and what is to be validated only."""

    until: int
    streams: Sequence[Streams]
    unfolded: Unfolded | None


def cut(connection: Connection[TupleRow], projections: Sequence[Projection], *, until: int, number: int) -> list[Share]:
    """At most `number` shares of about as many events each, which are together what any of `projections` reads."""
    folded = _categories([each for each in projections if each.rows is not None])
    wanted = _categories(projections)
    names = [None] if folded is None else folded
    places = _places(connection, until, number) if number > 1 else {}
    ranges = [_ranges(name, places.get(name, ())) for name in names]
    is_all_folded = folded is None or wanted == folded
    shares = []
    for each in range(number):
        after, last = until * each // number, until * (each + 1) // number
        unfolded = None if is_all_folded else Unfolded(after=after, until=last, categories=wanted, folded=folded or [])
        streams = [part[each] for part in ranges if each < len(part)]
        shares.append(Share(until=until, streams=streams, unfolded=unfolded))
    return shares


def count(connection: Connection[TupleRow], projections: Sequence[Projection], *, until: int) -> int:
    """The number of events that any of `projections` reads."""
    bounds = {"until": until, "categories": _categories(projections)}
    row = connection.execute(query("replay_count", _SQL), bounds).fetchone()
    return row[0] if row else 0


def _places(connection: Connection[TupleRow], until: int, number: int) -> dict[str | None, list[str]]:
    """Streams that cut each category into `number` parts of about as many events; none where a sample has too few."""
    fractions = [part / number for part in range(1, number)]
    bounds = {"until": until, "fractions": fractions, "percent": SAMPLE_PERCENT}
    rows = connection.execute(query("replay_places", _SQL), bounds)
    return {category: sorted(set(places), key=places.index) for category, places in rows}


def _ranges(category: str | None, places: Sequence[str]) -> list[Streams]:
    return [Streams(category=category, after=after, last=last) for after, last in pairwise([None, *places, None])]


def _categories(projections: Sequence[Projection]) -> list[str] | None:
    """The stream categories that anybody reads; None: all."""
    wanted: set[str] = set()
    for projection in projections:
        if projection.categories is None:
            return None
        wanted |= projection.categories
    return sorted(wanted)

"""The read model of spend, summed a second time and more plainly, from the ledger at every question."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ledger import streams
from ledger.application import Ledger
from projections.spend import CHARGES_MAX, SPEND, By, Charge, RenderCost, Span, Total, Which
from tests.made_in_sql import movements

Movement = dict[str, Any]
SUMS = ("renders", "seconds", "reserved", "settled", "released", "open", "adjusted")
OF_WHOM = ("day", "project", "key_id", "requester", "model", "renderer", "purpose", "tags")


class FoldedSpend:
    """Answers as `projections.spend.SpendTable`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def totals(self, span: Span, by: By) -> list[Total]:
        found = self._movements(span.tenant)
        sums: dict[tuple[str | None, str | None], Counter[str]] = defaultdict(Counter)
        for row, counted in [*_of_renders(found), *_corrections(found)]:
            if _within(row, span):
                for name in _names(row, by):
                    sums[name, row["currency"]].update(counted)
        ordered = sorted(sums.items(), key=lambda item: [(part is None, part) for part in item[0]])
        return [Total(*named, *(counted[each] for each in SUMS)) for named, counted in ordered]

    def charges(self, span: Span, after: int = 0) -> list[Charge]:
        found = self._movements(span.tenant)
        first = _first(found)
        charges = []
        for row in found:
            if row["kind"] in {"settled", "adjusted"} and row["position"] > after:
                whose = first[row["video_id"]] if row["kind"] == "settled" else row
                if _within(whose, span):
                    kept = {name: row[name] for name in Charge.__slots__ if name in row}
                    charges.append(Charge(**{**kept, **{name: whose[name] for name in (*OF_WHOM, "seconds")}}))
        return charges[:CHARGES_MAX]

    def costs(self, which: Which) -> list[RenderCost]:
        found = self._movements(which.tenant)
        return [
            _cost(row, [each for each in found if each["video_id"] == video_id])
            for video_id, row in sorted(_first(found).items())
            if (video_id in which.video_ids or (which.first or "~") <= row["day"] <= (which.last or ""))
            and which.project in {None, row["project"]}
            and which.renderer in {None, row["renderer"]}
        ]

    def _movements(self, tenant: str) -> list[Movement]:
        stream = streams.spend(tenant)
        events = self._ledger.history(stream)
        return [dict(zip(SPEND.tables["movements"], row, strict=True)) for row in movements(events)]


def _first(found: list[Movement]) -> dict[str, Movement]:
    """The reservation of each render, without what was added to it."""
    return {row["video_id"]: row for row in reversed(found) if row["kind"] == "reserved"}


def _cost(row: Movement, moved: list[Movement]) -> RenderCost:
    kinds = [each["kind"] for each in moved]
    amounts = {kind: sum(each["amount_micro"] for each in moved if each["kind"] == kind) for kind in kinds}
    currencies = [each["currency"] for each in moved if each["kind"] == "adjusted"]
    return RenderCost(
        video_id=row["video_id"],
        **{name: row[name] for name in OF_WHOM},
        currency=row["currency"] or max(currencies, default=None),
        state="settled" if "settled" in kinds else "released" if "released" in kinds else "open",
        settled_micro=amounts.get("settled", 0),
        adjusted_micro=amounts.get("adjusted", 0),
        positions=[each["position"] for each in moved],
    )


def _of_renders(found: list[Movement]) -> Iterator[tuple[Movement, dict[str, int]]]:
    for video_id, row in _first(found).items():
        moved: Counter[str] = Counter()
        for each in found:
            if each["video_id"] == video_id:
                moved[each["kind"]] += each["amount_micro"]
        kinds = {each["kind"] for each in found if each["video_id"] == video_id}
        rest = "released" if kinds & {"settled", "released"} else "open"
        counts = {} if "released" in kinds else {"renders": row["renders"], "seconds": row["seconds"]}
        amounts = {"reserved": moved["reserved"], "settled": moved["settled"]}
        yield row, {**counts, **amounts, rest: moved["reserved"] - moved["settled"]}


def _corrections(found: list[Movement]) -> Iterator[tuple[Movement, dict[str, int]]]:
    for row in found:
        if row["kind"] == "adjusted":
            yield row, {"adjusted": row["amount_micro"]}


def _within(row: Movement, span: Span) -> bool:
    return span.project in {None, row["project"]} and span.first <= row["day"] <= span.last


def _names(row: Movement, by: By) -> list[str | None]:
    if by == "tag":
        return row["tags"] or [None]
    if by == "month":
        return [row["day"][:7]]
    return [row["key_id" if by == "key" else by]]

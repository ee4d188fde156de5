"""An invoice held against what renders cost: what is alike, what is not, and what makes it so. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bickford_sora.decisions.invoices import InvoiceLine
from bickford_sora.errors import InvalidRequest
from ledger.envelope import Sealed
from ledger.events import Money, SpendAdjusted
from projections.audit import Claim
from projections.spend import RenderCost

LINES_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Billed:
    """All that an invoice says of one render, or of one job that is of no render of ours."""

    id: str
    """As on its first line."""
    lines: tuple[int, ...]
    amount_micro: int
    currency: str
    invoice: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """What the invoice says, and what was recorded; one of the two may be missing."""

    billed: Billed | None
    cost: RenderCost | None

    @property
    def is_equal(self) -> bool:
        """Whether the render has ended, and cost what is billed."""
        billed, cost = self.billed, self.cost
        if billed is None or cost is None or cost.state == "open":
            return False
        return (cost.currency or billed.currency, cost.amount_micro) == (billed.currency, billed.amount_micro)

    @property
    def adjustment(self) -> Money | None:
        """What makes them equal; None where nothing does: it is not over, or billed in another currency."""
        billed, cost = self.billed, self.cost
        if billed is None or cost is None or cost.state == "open" or self.is_equal:
            return None
        if cost.currency not in {None, billed.currency}:
            return None
        return Money(amount_micro=billed.amount_micro - cost.amount_micro, currency=billed.currency)


@dataclass(frozen=True, slots=True)
class Match:
    """An invoice and the ledger side by side."""

    days: tuple[str, str] | None
    """The days it is of, both included; None where nothing tells."""
    matched: Sequence[Pair]
    differing: Sequence[Pair]
    theirs_only: Sequence[Pair]
    """No render of ours."""
    ours_only: Sequence[Pair]
    """Settled in those days, and not on the invoice."""
    jobs: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    """The jobs of each video."""


def by_render(lines: Iterable[InvoiceLine], claims: Iterable[Claim]) -> dict[str, Billed]:
    """What is billed, by the video it is for; what is of no video of ours by its own id.

    A line's id is a job's first, and else a video's. Raises InvalidRequest where a job could be of either of two
    renders, and where one is billed in two currencies.
    """
    videos: dict[str, set[str]] = defaultdict(set)
    for claim in claims:
        videos[claim.job_id].add(claim.video_id)
    found: dict[str, list[InvoiceLine]] = defaultdict(list)
    for line in lines:
        named = videos.get(line.id) or {line.id}
        if len(named) > 1:
            raise _ambiguous(
                f"Line {line.number}: several renderers have a job of this name. Say which renderer's it is."
            )
        found[next(iter(named))].append(line)
    return {video_id: _billed(each) for video_id, each in found.items()}


def match(
    billed: Mapping[str, Billed],
    costs: Iterable[RenderCost],
    of_days: Iterable[RenderCost],
    *,
    days: tuple[str, str] | None,
    jobs: Mapping[str, Sequence[str]],
) -> Match:
    """Holds what is billed against what these renders cost; `of_days` are those of the invoice's days."""
    known = {each.video_id: each for each in costs}
    pairs = [Pair(each, known.get(video_id)) for video_id, each in billed.items()]
    return Match(
        days=days,
        matched=[each for each in pairs if each.is_equal],
        differing=[each for each in pairs if each.cost is not None and not each.is_equal],
        theirs_only=[each for each in pairs if each.cost is None],
        ours_only=[Pair(None, each) for each in of_days if each.video_id not in billed and _was_paid(each)],
        jobs=jobs,
    )


def days_of(lines: Iterable[InvoiceLine], costs: Iterable[RenderCost]) -> tuple[str, str] | None:
    """The days of an invoice: those it names, else those in which what it bills was reserved."""
    days = sorted({each.day for each in lines if each.day}) or sorted({each.day for each in costs})
    return (days[0], days[-1]) if days else None


def adjusted(pair: Pair, *, day: str, reason: Sealed | None) -> SpendAdjusted:
    """The correction of what differs. It counts on `day`, for whom the render counts."""
    billed, cost, difference = pair.billed, pair.cost, pair.adjustment
    assert billed is not None and cost is not None and difference is not None  # noqa: S101, PT018 - see `adjustable`
    return SpendAdjusted(
        video_id=cost.video_id,
        cost=difference,
        reason=reason,
        invoice=billed.invoice,
        project=cost.project,
        requester=cost.requester,
        key_id=cost.key_id,
        model=cost.model,
        renderer=cost.renderer,
        purpose=cost.purpose,
        tags=tuple(cost.tags),
        day=day,
    )


def adjustable(found: Match) -> Iterator[Pair]:
    """What differs and can be made equal."""
    return (each for each in found.differing if each.adjustment is not None)


def _billed(lines: Sequence[InvoiceLine]) -> Billed:
    currencies = {each.currency for each in lines}
    if len(currencies) > 1:
        numbers = ", ".join(str(each.number) for each in lines[:LINES_SHOWN_MAX])
        raise _ambiguous(f"Lines {numbers}: one render is billed in two currencies.")
    return Billed(
        lines[0].id,
        tuple(each.number for each in lines),
        sum(each.amount_micro for each in lines),
        lines[0].currency,
        next((each.invoice for each in lines if each.invoice), None),
    )


def _was_paid(cost: RenderCost) -> bool:
    return cost.state == "settled" and cost.amount_micro != 0


def _ambiguous(message: str) -> InvalidRequest:
    return InvalidRequest(f"{message} Nothing was compared.", code="invoice_invalid", param="invoice")

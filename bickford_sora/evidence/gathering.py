"""What goes into a pack: the facts that were asked for, and those they rest on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Event
from ledger.events import (
    PolicyPublished,
    PricesPublished,
    Quote,
    RenderAllowed,
    RenderApprovalRequested,
    RenderDenied,
    RenderRerouted,
)
from ledger.mapper import RecordedRow

RowsAt = Callable[[Sequence[int]], Sequence[RecordedRow]]
"""Gives the stored rows at these positions, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The facts of a pack, in the order of the ledger."""

    rows: Sequence[RecordedRow]
    events: Sequence[Event]
    """The same, decoded."""
    policies: Mapping[str, str]
    """Hash and text of each policy that decided something in here."""
    prices: Mapping[str, str]
    """Hash and text of each price table that something in here was quoted by."""

    @property
    def renders(self) -> dict[str, list[Event]]:
        """The facts of each render, by its stream."""
        found: dict[str, list[Event]] = {}
        for event in self.events:
            if streams.category(event.stream) == "render":
                found.setdefault(event.stream, []).append(event)
        return found


def gather(
    ledger: Ledger, rows_at: RowsAt, positions: Iterable[int], *, tenant: str, operator: str, built_in: CompiledPolicy
) -> Evidence:
    """The facts at `positions`, with the policies and prices they name. `built_in` decided before any was published.

    Policies are the tenant's own, prices those of `operator`, the tenant that runs the server.

    Raises ledger.errors.Corrupt for a fact that cannot be read.
    """
    asked = [*positions]
    events = ledger.decode(rows_at(asked))
    policy_hashes = {each.verdict.policy_hash for each in _decisions(events)}
    price_hashes = {each.prices_hash for each in _quotes(events)}
    published = [
        event
        for event in [*ledger.history(streams.policy(tenant)), *ledger.history(streams.prices(operator))]
        if _hash(event) in policy_hashes | price_hashes
    ]
    rows = rows_at(sorted({*asked, *(event.position or 0 for event in published)}))
    texts = {each.fact.policy_hash: each.fact.text for each in published if isinstance(each.fact, PolicyPublished)}
    if built_in.hash in policy_hashes:
        texts.setdefault(built_in.hash, built_in.text)
    return Evidence(
        rows=rows,
        events=ledger.decode(rows),
        policies=texts,
        prices={each.fact.prices_hash: each.fact.text for each in published if isinstance(each.fact, PricesPublished)},
    )


Decision = RenderAllowed | RenderDenied | RenderApprovalRequested


def _decisions(events: Iterable[Event]) -> list[Decision]:
    return [event.fact for event in events if isinstance(event.fact, Decision)]


def _quotes(events: Iterable[Event]) -> list[Quote]:
    quoted = [
        event.fact.quote
        for event in events
        if isinstance(event.fact, RenderAllowed | RenderApprovalRequested | RenderRerouted)
    ]
    return [each for each in quoted if each is not None]


def _hash(event: Event) -> str:
    fact = event.fact
    if isinstance(fact, PolicyPublished):
        return fact.policy_hash
    return fact.prices_hash if isinstance(fact, PricesPublished) else ""

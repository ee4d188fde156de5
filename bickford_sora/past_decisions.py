"""What was asked and how it was decided, read from the ledger as a policy saw it: to explain it, or to ask again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.prices import quote
from bickford_sora.decisions.request import VideoRequest
from bickford_sora.decisions.rules.backtest import Fate, Recorded
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.decisions.standing import Standing, Standings
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Event, Sealed
from ledger.events import (
    Money,
    Quote,
    RenderAllowed,
    RenderApprovalRequested,
    RenderDenied,
    RenderIntent,
    RenderReviewed,
    Verdict,
)
from ledger.keys import Keys
from ledger.port import READ_EVENTS_MAX

Decision = RenderAllowed | RenderDenied | RenderApprovalRequested
_TYPES = frozenset(
    each.TYPE for each in (RenderIntent, RenderAllowed, RenderDenied, RenderApprovalRequested, RenderReviewed)
)
LATEST = datetime.max.replace(tzinfo=UTC)
"""When every price of a file holds: what others would have cost is asked of the last of them."""
_BUDGET = "budget:"
"""What the names of budgets begin with, among the rules of a verdict."""

OnProgress = Callable[[int, int], None]
"""Told of positions read, and of how many there are."""


@dataclass(frozen=True, slots=True)
class Past:
    """One intent, and the first decision on it."""

    intent: RenderIntent
    decision: Decision
    at: datetime
    key_id: str

    @property
    def verdict(self) -> Verdict:
        """What decided, and what it saw."""
        return self.decision.verdict

    @property
    def fate(self) -> Fate:
        """What became of it."""
        if isinstance(self.decision, RenderAllowed):
            return "allowed"
        held = isinstance(self.decision, RenderApprovalRequested) or self.decision.code == "approval_required"
        return "held" if held else "denied"

    @property
    def cost(self) -> Money | None:
        """What it was expected to cost; None where that is not known, or not in which currency."""
        if isinstance(self.decision, RenderAllowed) and self.decision.quote is not None:
            return self.decision.quote.cost
        amount, currency = self.verdict.saw.get("cost_micro"), self.verdict.saw.get("currency")
        known = isinstance(amount, int) and isinstance(currency, str)
        return Money(amount_micro=amount, currency=currency) if known else None  # type: ignore[arg-type] # both known


@dataclass(frozen=True, slots=True)
class Question:
    """Which past intents are asked for."""

    tenant: str
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before this moment."""
    with_texts: bool = True
    """Whether prompts and other texts are to be opened. Those that were erased are empty."""
    prices: Catalogue | None = None
    """What costs are made from; None: what each was quoted at."""

    def wants(self, past: Past) -> bool:
        """Whether an intent is asked for."""
        return (
            self.project in {None, past.intent.project}
            and (self.since is None or past.at >= self.since)
            and (self.until is None or past.at < self.until)
        )


@dataclass(frozen=True, slots=True)
class PastDecisions:
    """Reads decisions. Raises ledger.errors.Unavailable when the database does not answer."""

    ledger: Ledger
    keys: Keys

    def find(self, tenant: str, video_id: str) -> Past | None:
        """The decision on one render, None when there is no such render."""
        found = next(_Reading().take(self.ledger.history(streams.render(tenant, video_id))), None)
        return found[0] if found else None

    def seen(self, past: Past) -> Seen:
        """What the policy saw of one render, its texts opened."""
        return _seen(past, self._texts([past]), _recorded_standing(past.verdict), past.cost)

    def recorded(self, question: Question, on_progress: OnProgress) -> Iterator[Recorded]:
        """The intents that are asked for, in the order they were recorded."""
        reading = _Reading()
        after, head = 0, self.ledger.head()
        while after < head:
            events, after = self.ledger.pick(after, _TYPES, limit=READ_EVENTS_MAX)
            found = reading.take(event for event in events if event.context.tenant == question.tenant)
            wanted = [(past, standing) for past, standing in found if question.wants(past)]
            texts = self._texts(past for past, _ in wanted) if question.with_texts else {}
            for past, standing in wanted:
                yield _recorded(past, standing, texts, question.prices)
            on_progress(min(after, head), head)

    def _texts(self, pasts: Iterable[Past]) -> dict[Sealed, str | None]:
        return self.keys.open_all(
            text for past in pasts for text in (past.intent.prompt, *past.intent.text_fields.values())
        )


@dataclass(slots=True)
class _Reading:
    """What has been read so far: intents that have no decision yet, and every lineage."""

    standings: Standings = field(default_factory=Standings)
    _waiting: dict[str, Event] = field(default_factory=dict)
    """By stream."""

    def take(self, events: Iterable[Event]) -> Iterator[tuple[Past, Standing]]:
        """Each intent with the first decision behind it, and how it stood then."""
        for event in events:
            fact = event.fact
            if isinstance(fact, RenderIntent):
                self._waiting[event.stream] = event
            elif isinstance(fact, RenderReviewed):
                self.standings.reviewed(_video_id(event.stream), approved=fact.verdict == "approved")
            elif isinstance(fact, Decision) and event.stream in self._waiting:
                yield self._decided(self._waiting.pop(event.stream), fact)

    def _decided(self, asked: Event, decision: Decision) -> tuple[Past, Standing]:
        intent = asked.fact
        assert isinstance(intent, RenderIntent), asked.stream  # noqa: S101 - nothing else waits
        past = Past(intent, decision, asked.context.occurred_at, asked.context.actor)
        standing = self.standings.of(intent, past.at)
        if past.fate == "allowed":
            self.standings.joined(intent, past.at)
        return past, standing


def _video_id(stream: str) -> str:
    return streams.video_id(UUID(stream.rpartition(":")[2]))


def _recorded(past: Past, standing: Standing, texts: Mapping[Sealed, str | None], prices: Catalogue | None) -> Recorded:
    was = past.cost
    would = was if prices is None else _quoted(past, prices)
    return Recorded(
        video_id=past.intent.video_id,
        seen=_seen(past, texts, standing, would),
        was=past.fate,
        was_by=past.verdict.decided_by,
        was_cost_micro=was.amount_micro if was else None,
        was_currency=was.currency if was else None,
        currency=would.currency if would else None,
        by_budget=any(rule.startswith(_BUDGET) for rule in past.verdict.rules),
    )


def _quoted(past: Past, prices: Catalogue) -> Money | None:
    """What it costs at other prices: with the renderer it went to, else with the first of its model."""
    intent, route = past.intent, prices.routes.get(past.intent.model)
    if route is None:
        return None
    offer = None
    if isinstance(past.decision, RenderAllowed):
        offer = prices.offer(intent.model, past.decision.renderer, past.decision.credential)
    request = VideoRequest(
        "", intent.model, intent.seconds, intent.size, intent.operation, intent.fields, intent.source_seconds
    )
    found: Quote | None = quote(request, offer or route.offers[0], prices.prices_hash, LATEST)
    return found.cost if found else None


def _recorded_standing(verdict: Verdict) -> Standing:
    saw = verdict.saw
    since = saw.get("seconds_since_last_render")
    return Standing(
        remix_depth=_number(saw.get("remix_depth")),
        renders_in_last_hour=_number(saw.get("renders_in_last_hour")),
        seconds_since_last_render=since if isinstance(since, int) else None,
        has_approved_draft=saw.get("lineage_has_approved_draft") is True,
    )


def _seen(past: Past, texts: Mapping[Sealed, str | None], standing: Standing, cost: Money | None) -> Seen:
    """The intent as a policy sees it; of what only the moment knew, what the verdict says of it."""
    intent, saw = past.intent, past.verdict.saw
    moderation: Any = saw.get("moderation") or {}
    return Seen(
        operation=intent.operation,
        model=intent.model,
        size=intent.size,
        seconds=_number(saw.get("seconds", int(intent.seconds))),
        cost_micro=cost.amount_micro if cost else None,
        project=intent.project,
        requester=intent.requester,
        key_id=past.key_id,
        at=past.at,
        prompt=texts.get(intent.prompt) or "",
        purpose=intent.purpose,
        tags=frozenset(intent.tags),
        fields={**intent.fields, **{name: texts.get(each) or "" for name, each in intent.text_fields.items()}},
        has_reference=intent.input_reference is not None,
        remix_depth=standing.remix_depth,
        # Facts from before it was counted say nothing of it; every remix had another prompt.
        changes=_number(saw.get("changes", int(intent.remix_video_id is not None))),
        renders_in_last_hour=standing.renders_in_last_hour,
        seconds_since_last_render=standing.seconds_since_last_render,
        lineage_has_approved_draft=standing.has_approved_draft,
        attestations=frozenset(intent.attestations),
        moderation=moderation,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0

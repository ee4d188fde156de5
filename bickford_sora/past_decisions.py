"""What was asked and how it was decided, read from the ledger as a policy saw it: to explain it, or to ask again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.family import CADENCE
from bickford_sora.decisions.prices import quote
from bickford_sora.decisions.request import VideoRequest
from bickford_sora.decisions.rules.backtest import Fate, Recorded
from bickford_sora.decisions.rules.seen import Seen
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Event, Sealed
from ledger.events import Money, Quote, RenderAllowed, RenderApprovalRequested, RenderDenied, RenderIntent, Verdict
from ledger.keys import Keys
from ledger.port import READ_EVENTS_MAX

Decision = RenderAllowed | RenderDenied | RenderApprovalRequested
_TYPES = frozenset(each.TYPE for each in (RenderIntent, RenderAllowed, RenderDenied, RenderApprovalRequested))
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
        return next(_pairs(self.ledger.history(streams.render(tenant, video_id)), {}), None)

    def seen(self, past: Past) -> Seen:
        """What the policy saw of one render, its texts opened."""
        return _seen(past, self._texts([past]), _recorded_pace(past.verdict), past.cost)

    def recorded(self, question: Question, on_progress: OnProgress) -> Iterator[Recorded]:
        """The intents that are asked for, in the order they were recorded."""
        families = _Families()
        for page in self._pages(question.tenant, on_progress):
            paced = [(past, families.pace(past)) for past in page]
            wanted = [(past, pace) for past, pace in paced if question.wants(past)]
            texts = self._texts(past for past, _ in wanted) if question.with_texts else {}
            for past, pace in wanted:
                yield _recorded(past, pace, texts, question.prices)

    def _pages(self, tenant: str, on_progress: OnProgress) -> Iterator[list[Past]]:
        after, head = 0, self.ledger.head()
        waiting: dict[str, Event] = {}
        while after < head:
            events, after = self.ledger.pick(after, _TYPES, limit=READ_EVENTS_MAX)
            yield list(_pairs((each for each in events if each.context.tenant == tenant), waiting))
            on_progress(min(after, head), head)

    def _texts(self, pasts: Iterable[Past]) -> dict[Sealed, str | None]:
        return self.keys.open_all(
            text for past in pasts for text in (past.intent.prompt, *past.intent.text_fields.values())
        )


@dataclass(frozen=True, slots=True)
class _Pace:
    """How a render stands in its family."""

    remix_depth: int
    renders_in_last_hour: int
    seconds_since_last_render: int | None


@dataclass(slots=True)
class _Families:
    """Every family, as the renders come in."""

    _first: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By video: the first of its family, and the steps from there."""
    _asked_at: dict[tuple[str, str | None], deque[datetime]] = field(default_factory=dict)
    """By family and purpose: those of the last hour, and always the last one."""

    def pace(self, past: Past) -> _Pace:
        """Takes in one more render, and says how it stood before it was decided."""
        intent, source = past.intent, past.intent.remix_video_id
        first, depth = intent.video_id, 0
        if source is not None:
            first, steps = self._first.get(source, (source, 0))
            depth = steps + 1
        before = self._asked_at.setdefault((first, intent.purpose), deque())
        while len(before) > 1 and past.at - before[0] >= CADENCE:
            before.popleft()
        since = max(0, int((past.at - before[-1]).total_seconds())) if before else None
        pace = _Pace(depth, sum(past.at - each < CADENCE for each in before), since)
        if past.fate == "allowed":
            self._first[intent.video_id] = (first, depth)
            before.append(past.at)
        return pace


def _pairs(events: Iterable[Event], waiting: dict[str, Event]) -> Iterator[Past]:
    """Each intent with the first decision behind it; what has none yet waits in `waiting`."""
    for event in events:
        fact = event.fact
        if isinstance(fact, RenderIntent):
            waiting[event.stream] = event
        elif isinstance(fact, Decision) and (asked := waiting.pop(event.stream, None)) is not None:
            intent = asked.fact
            assert isinstance(intent, RenderIntent), event.stream  # noqa: S101 - nothing else waits
            yield Past(intent, fact, asked.context.occurred_at, asked.context.actor)


def _recorded(past: Past, pace: _Pace, texts: Mapping[Sealed, str | None], prices: Catalogue | None) -> Recorded:
    was = past.cost
    would = was if prices is None else _quoted(past, prices)
    return Recorded(
        video_id=past.intent.video_id,
        seen=_seen(past, texts, pace, would),
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


def _recorded_pace(verdict: Verdict) -> _Pace:
    saw = verdict.saw
    since = saw.get("seconds_since_last_render")
    return _Pace(
        _number(saw.get("remix_depth")),
        _number(saw.get("renders_in_last_hour")),
        since if isinstance(since, int) else None,
    )


def _seen(past: Past, texts: Mapping[Sealed, str | None], pace: _Pace, cost: Money | None) -> Seen:
    """The intent as a policy sees it; of what only the moment knew, what the verdict says of it."""
    intent, saw = past.intent, past.verdict.saw
    moderation: Any = saw.get("moderation") or {}
    return Seen(
        operation=intent.operation,
        model=intent.model,
        size=intent.size,
        seconds=int(intent.seconds),
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
        remix_depth=pace.remix_depth,
        # Facts from before it was counted say nothing of it; every remix had another prompt.
        changes=_number(saw.get("changes", int(intent.remix_video_id is not None))),
        renders_in_last_hour=pace.renders_in_last_hour,
        seconds_since_last_render=pace.seconds_since_last_render,
        lineage_has_approved_draft=saw.get("lineage_has_approved_draft") is True,
        attestations=frozenset(intent.attestations),
        moderation=moderation,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0

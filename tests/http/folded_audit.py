"""The read model of every fact, made and asked a second time and more plainly, from the ledger at every question."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Event
from ledger.events import DeliveryAttempted, DeliveryGivenUp, DeliveryScheduled, JobClaimed, WebhookReceived
from ledger.port import POSITION_MAX
from projections.audit import AuditEvent, Claim, Filters, Order

MARKS = ("rule", "sha256", "storage_uri")
EQUAL = ("project", "stream", "video_id", "job_id", "type", "actor", "requester", "webhook_event_id", "trace")
EQUAL += ("correlation", "causation", "currency")


def audit_events(ledger: Ledger, *, first: Callable[[str], Event | None] | None = None) -> Iterator[AuditEvent]:
    """Every fact as the audit shows it."""
    return (audit_event(each, first or first_of(ledger)) for each in ledger.read(0, limit=10_000))


def first_of(ledger: Ledger) -> Callable[[str], Event | None]:
    """Finds the first event of a stream."""
    return lambda stream: next(iter(ledger.history(stream, until=1)), None)


def audit_event(event: Event, first: Callable[[str], Event | None]) -> AuditEvent:
    context, known = event.context, vars(event.fact)
    assert event.position is not None
    assert event.recorded_at is not None
    begun = _begun(event, first)
    tenant = begun.context.tenant if begun is not None else context.tenant
    video_id = _video_id(event, begun)
    about = first(streams.render(tenant, video_id)) if video_id and streams.is_video_id(video_id) else None
    asked = vars(about.fact) if about is not None and (about.position or 0) < event.position else {}
    scheduled = vars(begun.fact) if begun is not None else {}
    project = known.get("project") or scheduled.get("project") or asked.get("project")
    theirs = asked.get("requester") if project == asked.get("project") else None
    cost = next((each for each in _costs(known) if each is not None), None)
    return AuditEvent(
        event.position,
        event.stream,
        event.version,
        event.fact.TYPE,
        event.event_id,
        event.recorded_at,
        context.occurred_at,
        tenant,
        context.actor,
        context.correlation,
        context.causation,
        context.trace,
        project,
        video_id,
        known.get("requester") or theirs,
        known.get("renderer"),
        known.get("job_id"),
        known.get("webhook_event_id"),
        known.get("code"),
        cost.amount_micro if cost else None,
        cost.currency if cost else None,
    )


def _begun(event: Event, first: Callable[[str], Event | None]) -> Event | None:
    """The claim on the job that a webhook is about; what was scheduled, of an attempt to deliver it."""
    stream, wanted = None, (JobClaimed, DeliveryScheduled)
    if isinstance(event.fact, WebhookReceived):
        stream = event.fact.job_stream
    elif isinstance(event.fact, DeliveryAttempted | DeliveryGivenUp):
        stream = event.stream
    begun = first(stream) if stream is not None else None
    if begun is None or (begun.position or 0) >= (event.position or 0) or not isinstance(begun.fact, wanted):
        return None
    return begun


def _video_id(event: Event, begun: Event | None) -> str | None:
    if event.stream.startswith("render:"):
        return f"video_{event.stream.rpartition(':')[2]}"
    known = event.fact if begun is None else begun.fact
    return vars(known).get("video_id")


def _costs(known: dict[str, Any]) -> Iterator[Any]:
    yield known.get("cost")
    for name in ("quote", "reported"):
        yield known[name].cost if known.get(name) else None


def marks(event: Event) -> set[tuple[str, str]]:
    """What a fact has several of."""
    known = vars(event.fact)
    verdict = known.get("verdict")
    rules = verdict.rules if hasattr(verdict, "rules") else ()
    files = [*known.get("assets", ()), known.get("input_reference"), known.get("source_video")]
    named = [each for each in files if hasattr(each, "sha256")]
    return {
        *(("rule", rule) for rule in rules),
        *(("sha256", each.sha256) for each in named),
        *(("storage_uri", each.storage_uri) for each in named),
    }


class FoldedAudit:
    """Answers as `projections.audit.Audit`, but for words."""

    unreadable: Sequence[tuple[str, int]] = ()
    """Tenants and positions of facts that are taken for unreadable."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.lacks = 0
        """How many of the ledger's last facts it has not come to."""

    def events(
        self,
        tenant: str,
        filters: Filters,
        *,
        after: int = 0,
        before: int = POSITION_MAX,
        limit: int,
        order: Order = "asc",
    ) -> list[AuditEvent]:
        marked = {event.position: marks(event) for event in self._ledger.read(0, limit=10_000)}
        wanted = {(kind, value) for kind in MARKS if (value := getattr(filters, kind)) is not None}
        found = [
            each
            for each in self._told()
            if each.position in marked  # others are recorded meanwhile
            and each.tenant == tenant
            and after < each.position < before
            and all(getattr(filters, name) in (None, getattr(each, name)) for name in EQUAL)
            and wanted <= marked[each.position]
            and _within(each.cost_micro, filters.cost_micro_min, filters.cost_micro_max)
        ]
        return (found[::-1] if order == "desc" else found)[:limit]

    def parked(self, tenant: str, /) -> int:
        """Of those that a test says cannot be read."""
        return sum(theirs == tenant for theirs, _ in self.unreadable)

    def event(self, tenant: str, event_id: UUID) -> AuditEvent | None:
        return next((each for each in self._of(tenant) if each.event_id == event_id), None)

    def causes(self, tenant: str, event_id: UUID) -> list[AuditEvent]:
        event = self.event(tenant, event_id)
        found = []
        while event is not None and event.causation is not None:
            event = self.event(tenant, event.causation)
            found += [] if event is None else [event]
        return found

    def effects(self, tenant: str, event_id: UUID, *, limit: int = 1_000) -> list[AuditEvent]:
        found: list[AuditEvent] = []
        causes = {event_id}
        while causes:
            step = [each for each in self._of(tenant) if each.causation in causes]
            found += step
            causes = {each.event_id for each in step}
        return found[:limit]

    def claims(self, tenant: str, *, job_ids: Sequence[str] = (), video_ids: Sequence[str] = ()) -> list[Claim]:
        facts = [event.fact for event in self._ledger.read(0, limit=10_000) if event.context.tenant == tenant]
        claimed = [fact for fact in facts if isinstance(fact, JobClaimed)]
        return [
            Claim(each.renderer, each.job_id, each.video_id)
            for each in claimed
            if each.job_id in job_ids or each.video_id in video_ids
        ]

    def _of(self, tenant: str) -> list[AuditEvent]:
        return [each for each in self._told() if each.tenant == tenant]

    def _told(self) -> Iterator[AuditEvent]:
        until = self._ledger.head() - self.lacks
        return (each for each in audit_events(self._ledger) if each.position <= until)


def _within(number: int | None, low: int | None, high: int | None) -> bool:
    if low is None and high is None:
        return True
    return number is not None and (low is None or number >= low) and (high is None or number <= high)

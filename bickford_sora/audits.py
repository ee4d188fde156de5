"""Asking the ledger: which facts there are, what led to one and what it led to, and ready-made questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import InvalidRequest, NotFound, TryLater
from bickford_sora.unsealing import opened
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.keys import Keys
from ledger.port import POSITION_MAX
from projections.audit import AUDIT_EVENTS_MAX, AuditEvent, Filters, Order
from projections.questions import QUESTIONS, Answer

FACT_NOT_FOUND = "fact_not_found"
RELATED_MAX = 100
"""Most effects of an event, and most facts of its request, that are told with it."""
WORDS_WAIT_S = 2.0
"""How long the index of words is waited for, in seconds."""


class AuditQuery(Protocol):
    """The read model of every fact. Errors: `ledger.errors.Unavailable` when the database does not answer."""

    def events(
        self, tenant: str, filters: Filters, /, *, after: int, before: int = ..., limit: int, order: Order = ...
    ) -> list[AuditEvent]:
        """A tenant's events with `after` < position < `before`, by position."""

    def parked(self, tenant: str, /) -> int:
        """How many of a tenant's events are not here because their streams are parked, counted to a limit."""

    def event(self, tenant: str, event_id: UUID, /) -> AuditEvent | None:
        """One of a tenant's events."""

    def causes(self, tenant: str, event_id: UUID, /) -> list[AuditEvent]:
        """What led to an event, nearest first."""

    def effects(self, tenant: str, event_id: UUID, /, *, limit: int) -> list[AuditEvent]:
        """What an event led to, nearest first."""


class QuestionsQuery(Protocol):
    """Ready-made questions. Errors: `ledger.errors.Unavailable` when the database does not answer."""

    def ask(self, tenant: str, project: str | None, name: str, at: datetime, /) -> Answer:
        """The answer for one project, or (None) for all the tenant's. Raises KeyError for an unknown name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """From where to where: positions are both included, `since` is, and `until` is not. None: no bound."""

    position_min: int | None = None
    position_max: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some events, by position."""

    events: tuple[AuditEvent, ...]
    has_more: bool
    parked: int
    """Facts of the tenant that are in no page, whatever is asked for: this version could not read their streams."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A fact, and what it stands between."""

    event: AuditEvent
    fact: Mapping[str, Any]
    """Its fields, with sealed texts in the clear; what was erased is said so, and secrets are not told."""
    causes: Sequence[AuditEvent]
    """What led to it, nearest first."""
    effects: Sequence[AuditEvent]
    """What it led to, nearest first."""
    request: Sequence[AuditEvent]
    """The facts of the same request, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits:
    """Answers an auditor. Safe to use from several threads.

    Every method raises `ledger.errors.Unavailable` when the database does not answer.
    """

    ledger: Ledger
    keys: Keys
    query: AuditQuery
    questions: QuestionsQuery
    clock: Clock
    wait_for_words: Callable[[int, float], bool] | None
    """Whether the index of words has come to a position within so many seconds; None: there is none."""

    def page(
        self,
        caller: Caller,
        filters: Filters,
        between: Between,
        *,
        after: str | None = None,
        limit: int,
        order: Order = "desc",
    ) -> AuditPage:
        """Facts that the caller reads, behind the event with the id `after`.

        Raises NotFound for an `after` or project that it does not read, InvalidRequest for words where there is no
        index of them and for a text without any, and TryLater while that index is behind.
        """
        low, high = self._bounds(between)
        if after is not None:
            place = self._event(caller, after, param="after").position
            low, high = (max(low, place), high) if order == "asc" else (low, min(high, place))
        if filters.text is not None:
            self.check_words(filters.text, min(high - 1, self.ledger.head()))
        found = self.query.events(
            caller.tenant, _readable(caller, filters), after=low, before=high, limit=limit + 1, order=order
        )
        return AuditPage(tuple(found[:limit]), has_more=len(found) > limit, parked=self.parked(caller))

    def parked(self, caller: Caller) -> int:
        """How many facts of the tenant nobody finds here: this version could not read their streams."""
        return self.query.parked(caller.tenant)

    def positions(self, caller: Caller, filters: Filters, between: Between, *, most: int) -> list[int]:
        """Where the facts are that the caller reads and that match, in order; no more than `most`. Raises NotFound."""
        low, high = self._bounds(between)
        asked, found = _readable(caller, filters), list[int]()
        while len(found) < most:
            page = min(AUDIT_EVENTS_MAX, most - len(found))
            events = self.query.events(caller.tenant, asked, after=low, before=high, limit=page)
            found += [each.position for each in events]
            if len(events) < page:
                break
            low = found[-1]
        return found

    def explain(self, caller: Caller, event_id: str) -> Explained:
        """One fact with what led to it and what it led to. Raises NotFound."""
        event = self._event(caller, event_id, param="event_id")
        (recorded,) = self.ledger.read(event.position - 1, until=event.position, limit=1)
        tenant, mine = caller.tenant, event.event_id
        request = Filters(correlation=event.correlation)
        return Explained(
            event,
            opened(recorded.fact, self.keys),
            _read_by(caller, self.query.causes(tenant, mine)),
            _read_by(caller, self.query.effects(tenant, mine, limit=RELATED_MAX)),
            [*self.query.events(tenant, _readable(caller, request), after=0, limit=RELATED_MAX)]
            if event.correlation
            else [],
        )

    def ask(self, caller: Caller, name: str) -> Answer:
        """The answer to a ready-made question. Raises NotFound for an unknown one."""
        if name not in QUESTIONS:
            # Their names are not listed here: what clients are told never has the plural of "video", and one name does.
            message = "No question has this name. GET /v1/audit/questions lists them, as 'audit questions' does."
            raise NotFound(message, code="question_not_found", param="name")
        return self.questions.ask(caller.tenant, caller.readable, name, self.clock())

    def _event(self, caller: Caller, event_id: str, *, param: str) -> AuditEvent:
        try:
            found = self.query.event(caller.tenant, UUID(event_id))
        except ValueError:
            found = None
        if found is None or not _reads(caller, found):
            raise NotFound("No fact with this id is readable with this key.", code=FACT_NOT_FOUND, param=param)
        return found

    def _bounds(self, between: Between) -> tuple[int, int]:
        """Positions, both excluded. `recorded_at` never runs backwards along them, so moments are positions, too."""
        low = max(between.position_min or 0, 1) - 1
        high = POSITION_MAX if between.position_max is None else between.position_max + 1
        if between.since is not None:
            low = max(low, self.ledger.position_at(between.since, included=False))
        if between.until is not None:
            high = min(high, self.ledger.position_at(between.until, included=False) + 1)
        return low, high

    def check_words(self, text: str, position: int) -> None:
        """Raises InvalidRequest where there is no index of words, or no word in the text.

        Raises TryLater while the index is behind the position.
        """
        # What the database takes for a word beyond ASCII depends on its locale.
        if not any(each.isalnum() or not each.isascii() for each in text):
            raise InvalidRequest("There is no word in this text to look for.", code="no_words", param="text")
        if self.wait_for_words is None:
            raise InvalidRequest(
                "Words are not indexed here. Ask without them, or have an operator set BICKFORD_FULL_TEXT_SEARCH.",
                code="search_off",
                param="text",
            )
        if not self.wait_for_words(position, WORDS_WAIT_S):
            raise TryLater("The index of words is not up to date yet. Ask again in a while.", code="search_behind")


def _readable(caller: Caller, filters: Filters) -> Filters:
    """The filters, of what the caller reads. Raises NotFound for a project it does not read."""
    if filters.project is not None and not caller.reads(filters.project):
        raise NotFound("No project of this name is readable with this key.", code="project_not_found", param="project")
    return filters if filters.project is not None else replace(filters, project=caller.readable)


def _read_by(caller: Caller, events: Sequence[AuditEvent]) -> list[AuditEvent]:
    return [event for event in events if _reads(caller, event)]


def _reads(caller: Caller, event: AuditEvent) -> bool:
    return caller.everywhere or event.project == caller.project

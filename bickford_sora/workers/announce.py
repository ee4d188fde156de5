"""Telling that something happened: reads the ledger in its order and schedules a delivery for whoever subscribed.

    take the turn ─ read behind its position ─ schedule ─ move the position

Scheduling is appended to a delivery's own empty stream, so that a second process, or the same one after a crash, can
schedule nothing twice. Rebuilds do not come by here.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from typing import Protocol

import structlog

from bickford_sora.decisions import deliveries
from bickford_sora.recording import Origin, Recording
from ledger import streams
from ledger.envelope import Event
from ledger.errors import Conflict
from ledger.events import BudgetThreshold, RenderIntent
from ledger.following import Bell, keep_up
from ledger.spend import TENANT
from projections.endpoints import EndpointRow

ACTOR = "announcer"
"""Who schedules deliveries."""
BATCH_EVENTS_MAX = 1_000
PACE_S = 0.1
"""Pause behind a batch that was not full, in seconds: what is appended meanwhile goes together."""
READ_MODEL_WAIT_S = 5.0
"""Longest wait for the read model of endpoints to have seen what is told of, before it is tried again, in seconds."""
PROJECT_SCOPE = "project:"
"""How the scope of a project's budget begins."""
NO_PROJECT = ""
"""No project has this name: nobody is told."""

log = structlog.get_logger(__name__)


class Turn(Protocol):
    """The right to go on from a position."""

    position: int

    def move(self, position: int) -> None:
        """Says that everything up to `position` was looked at."""


class Turns(Protocol):
    """Gives the turn to one process at a time; see `projections.announced.Announced`."""

    def turn(self) -> AbstractContextManager[Turn | None]:
        """The turn for the length of a block, None while somebody else has it."""


class Subscribers(Protocol):
    """The read model of endpoints."""

    def subscribed(
        self, tenant: str, project: str | None, event_type: str, *, before_position: int
    ) -> Sequence[EndpointRow]:
        """The enabled endpoints to tell; of one project, or (None) of all the tenant's."""


class Announce:
    """Schedules deliveries, one batch at a time.

    `wait_for` says whether the read model of endpoints has reached a position within so many seconds.
    """

    def __init__(
        self, recording: Recording, turns: Turns, subscribers: Subscribers, wait_for: Callable[[int, float], bool]
    ) -> None:
        self._recording = recording
        self._turns = turns
        self._subscribers = subscribers
        self._wait_for = wait_for

    def run(self, stop: threading.Event, bell: Bell) -> None:
        """Follows until `stop` is set. A database that does not answer is waited for."""
        with closing(bell):
            keep_up(self.step, stop, bell, waits="announcer_waits", batch_max=BATCH_EVENTS_MAX, pace_s=PACE_S)

    def step(self) -> int:
        """Looks at one batch. Returns how many events it had; 0 when there was nothing, or it is another's turn."""
        with self._turns.turn() as turn:
            if turn is None:
                return 0
            began = turn.position
            found, last = self._recording.ledger.pick(began, deliveries.TRIGGERS, limit=BATCH_EVENTS_MAX)
            if last == began:
                self._step_back(turn)
                return 0
            if not self._announced(found, last):
                return 0
            # A crash from here to the end of the block: the batch is looked at again, and all of it is scheduled.
            turn.move(last)
        return last - began

    def _step_back(self, turn: Turn) -> None:
        """After a backup of the ledger was restored, its head is behind us; what comes next is new all the same."""
        head = self._recording.ledger.head()
        if head < turn.position:
            log.warning("announcer_ahead_of_ledger", position=turn.position, head=head)
            turn.move(head)

    def _announced(self, found: Sequence[Event], last: int) -> bool:
        """Whether all of a batch that ends at `last` was scheduled."""
        telling = [event for event in found if deliveries.triggered(event.fact)]
        if telling and not self._wait_for(last, READ_MODEL_WAIT_S):
            log.warning("announcer_waits_for_read_model", position=last)
            return False
        for event in telling:
            self._announce(event)
        return True

    def _announce(self, event: Event) -> None:
        project, video_id = self._concerned(event)
        tenant, position = event.context.tenant, event.position or 0
        for event_type in deliveries.triggered(event.fact):
            for each in self._subscribers.subscribed(tenant, project, event_type, before_position=position):
                self._schedule(event, event_type, each, video_id)

    def _schedule(self, event: Event, event_type: str, endpoint: EndpointRow, video_id: str | None) -> None:
        context = event.context
        event_id = deliveries.event_id(event, event_type)
        stream = streams.delivery(context.tenant, endpoint.endpoint_id, event_id)
        draft = deliveries.scheduled(
            event,
            event_type,
            stream,
            endpoint_id=endpoint.endpoint_id,
            project=endpoint.project,
            video_id=video_id,
        )
        origin = Origin(context.tenant, ACTOR, context.correlation, event.event_id, context.trace)
        try:
            self._recording.append(draft, origin)
        except Conflict:
            return  # scheduled before a crash, or by another process

    def _concerned(self, event: Event) -> tuple[str | None, str | None]:
        """The project whose business it is (None: the whole tenant's) and the video it is about."""
        if streams.category(event.stream) != "render":
            return self._project_of_budget(event), None
        intent = self._recording.ledger.history(event.stream, until=1)[0].fact
        assert isinstance(intent, RenderIntent), event.stream  # noqa: S101 - the lifecycle says so
        return intent.project, intent.video_id

    def _project_of_budget(self, event: Event) -> str | None:
        """A key's or requester's budget is the business of whose render passed its threshold; no other is shown it."""
        fact = event.fact
        assert isinstance(fact, BudgetThreshold), event.stream  # noqa: S101 - the triggers say so
        if fact.scope == TENANT:
            return None
        if fact.scope.startswith(PROJECT_SCOPE):
            return fact.scope.removeprefix(PROJECT_SCOPE)
        # What is set aside, or corrected, is recorded right before the thresholds it passes.
        for version in range(event.version - 1, 0, -1):
            [before] = self._recording.ledger.history(event.stream, after=version - 1, until=version)
            if not isinstance(before.fact, BudgetThreshold):
                return getattr(before.fact, "project", None) or NO_PROJECT
        return NO_PROJECT

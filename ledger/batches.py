"""A batch of requests: its state, folded from its facts. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ledger.envelope import Event
from ledger.events import BatchLine, BatchLinesDecided, BatchOpened
from ledger.lifecycle import ImpossibleStep


@dataclass(frozen=True, slots=True)
class Batch:
    """Many requests sent together, and what was decided of each so far."""

    stream: str
    version: int
    opened: BatchOpened
    created_at: datetime
    decided: Mapping[int, BatchLine] = field(default_factory=dict)
    """By line number, from 1."""

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream


def fold(state: Batch | None, events: Iterable[Event]) -> Batch | None:
    """The batch after `events`, which follow `state`. Raises ImpossibleStep for facts in an order that cannot be."""
    for event in events:
        fact = event.fact
        if event.version != (state.version if state else 0) + 1:
            raise ImpossibleStep(f"version {event.version} in {event.stream}")
        if state is None and isinstance(fact, BatchOpened):
            state = Batch(event.stream, event.version, fact, event.context.occurred_at)
        elif state is not None and isinstance(fact, BatchLinesDecided):
            decided = {**state.decided, **{each.line: each for each in fact.lines}}
            state = replace(state, version=event.version, decided=decided)
        else:
            raise ImpossibleStep(f"{fact.TYPE} cannot come next in {event.stream}")
    return state

"""What a projection makes rows from: the events of one stream, and what they come to."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ledger.envelope import Event

State = TypeVar("State")


class Story:
    """Some events of one stream, in order. They are folded when a projection asks, and once for all projections."""

    __slots__ = ("_states", "events", "stream")

    def __init__(self, stream: str, events: Sequence[Event]) -> None:
        self.stream = stream
        self.events = events
        self._states: dict[object, Any] = {}

    def folded(self, fold: Callable[[None, Sequence[Event]], State | None]) -> State:
        """What the events come to, from the stream's beginning. Raises what `fold` raises."""
        state: State | None = self._states.get(fold)
        if state is None:
            state = self._states[fold] = fold(None, self.events)
        assert state is not None, f"{self.stream} has no events"  # noqa: S101 - a programmer's mistake
        return state

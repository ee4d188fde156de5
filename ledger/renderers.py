"""A renderer as it is on record: what is configured of it, and what it refuses. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledger.envelope import Event
from ledger.events import RendererConfigured, RendererResumed, RendererStopped

EVERYTHING = "*"
"""In place of a model: the credential was refused."""


@dataclass(frozen=True, slots=True)
class RendererRecord:
    """The history of one renderer, summed up."""

    stream: str
    version: int = 0
    configured: RendererConfigured | None = None
    stopped: frozenset[tuple[str, str]] = frozenset()
    """Credential and model that are refused; `EVERYTHING` where it is the credential itself."""

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    def is_stopped(self, credential: str, model: str) -> bool:
        """Whether it takes nothing of this model with this credential."""
        return not self.stopped.isdisjoint({(credential, model), (credential, EVERYTHING)})


def fold(state: RendererRecord | None, events: Iterable[Event]) -> RendererRecord | None:
    """The record after `events`. A new configuration, or credential, begins with nothing stopped."""
    for event in events:
        state, fact = replace(state or RendererRecord(event.stream), version=event.version), event.fact
        if isinstance(fact, RendererConfigured):
            state = replace(state, configured=fact, stopped=frozenset())
        elif isinstance(fact, RendererStopped):
            state = replace(state, stopped=state.stopped | {(fact.credential, fact.model or EVERYTHING)})
        elif isinstance(fact, RendererResumed):
            stopped = frozenset(each for each in state.stopped if each[0] != fact.credential)
            state = replace(state, stopped=stopped)
    return state

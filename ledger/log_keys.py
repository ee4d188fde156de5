"""The keys that sign checkpoints, folded from their facts. Pure.

    published ─ retired

One is in force at a time. Those that were retired stay listed, since what they signed has to be checked for ever.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.envelope import Event
from ledger.events import LogKeyPublished, LogKeyRetired
from ledger.events.proof import Retirement
from ledger.lifecycle import ImpossibleStep
from ledger.proof.notes import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """A public key that signs, or signed, checkpoints."""

    verifier: Verifier
    published_at: datetime
    retired_at: datetime | None = None
    retired_for: Retirement | None = None

    @property
    def key_id(self) -> str:
        """Its id in hex, as facts name it."""
        return self.verifier.key_id.hex()


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Every key there was, in the order they were published."""

    stream: str
    version: int
    keys: tuple[LogKey, ...]

    @property
    def id(self) -> str:
        """The stream, by the event sourcing library's name."""
        return self.stream

    @property
    def in_force(self) -> LogKey | None:
        """The key that signs now."""
        return next((each for each in self.keys if each.retired_at is None), None)

    @property
    def every_verifier(self) -> tuple[Verifier, ...]:
        """Also those of stolen keys: what the ledger itself kept was signed with them all the same."""
        return tuple(each.verifier for each in self.keys)

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """What checkpoints are checked with: also keys that were retired, but none that was stolen."""
        return tuple(each.verifier for each in self.keys if each.retired_for != "stolen")


def fold(state: LogKeys | None, events: Iterable[Event]) -> LogKeys | None:
    """The keys after these events. Raises ImpossibleStep for a fact that cannot follow."""
    for event in events:
        state = _evolve(state or LogKeys(event.stream, 0, ()), event)
    return state


def _evolve(state: LogKeys, event: Event) -> LogKeys:
    match event.fact:
        case LogKeyPublished() as fact if state.in_force is None:
            verifier = Verifier(fact.origin, base64.b64decode(fact.public_key))
            key = LogKey(verifier=verifier, published_at=event.context.occurred_at)
            return LogKeys(state.stream, event.version, (*state.keys, key))
        case LogKeyRetired() as fact if state.in_force is not None and state.in_force.key_id == fact.key_id:
            retired = replace(state.in_force, retired_at=event.context.occurred_at, retired_for=fact.reason)
            keys = tuple(retired if each.key_id == fact.key_id else each for each in state.keys)
            return LogKeys(state.stream, event.version, keys)
    raise ImpossibleStep(f"{event.fact.TYPE} cannot follow in {event.stream} version {event.version}")

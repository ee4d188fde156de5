"""What a decision gives back: facts in their streams, and every head it relied on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.envelope import Fact


@dataclass(frozen=True, slots=True)
class Draft:
    """Facts to record together. Empty: there is nothing to record."""

    facts: tuple[tuple[str, Fact], ...] = ()
    heads: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.facts)


NOTHING = Draft()

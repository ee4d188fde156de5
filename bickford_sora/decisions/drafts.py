"""What a decision gives back: facts in their streams, and every head it relied on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ledger.envelope import Fact


@dataclass(frozen=True, slots=True)
class Draft:
    """Facts to record together. Empty: there is nothing to record."""

    facts: tuple[tuple[str, Fact], ...] = ()
    heads: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.facts)

    def together_with(self, other: "Draft") -> "Draft":
        """Both, in one append."""
        return Draft((*self.facts, *other.facts), {**self.heads, **other.heads})

    def relying_on(self, heads: Mapping[str, int]) -> "Draft":
        """The same facts, refused also when one of these streams has moved on."""
        return replace(self, heads={**heads, **self.heads})


NOTHING = Draft()

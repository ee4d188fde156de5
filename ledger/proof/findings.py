"""What a verification found wrong, each by its place."""

from dataclasses import dataclass
from typing import Literal

FINDINGS_MAX = 100
"""Most findings that are listed; the rest are counted."""

Kind = Literal[
    "facts_missing",
    "facts_changed",
    "tree_changed",
    "checkpoint_changed",
    "unknown_event_type",
    "invalid_event",
    "order_broken",
    "payload_unreadable",
    "asset_missing",
    "asset_changed",
]
"""What is wrong, the gravest first:

facts_missing        facts were removed, or the ledger was cut
facts_changed        facts are not those that were signed: changed, inserted, or in another order
tree_changed         hashes that are kept of the tree are not those of the facts that were signed
checkpoint_changed   a checkpoint that is kept is not one that this ledger's key signed
unknown_event_type   a newer version wrote it, or nobody
invalid_event        stored bytes that do not validate as their type
order_broken         positions, versions or the time of recording are not in order
payload_unreadable   a closed segment's file is missing, or a payload in it is not the one that was recorded
asset_missing        a stored file is gone, and no fact says that it was deleted
asset_changed        a stored file is not the one whose SHA-256 is recorded
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, from one position to another."""

    kind: Kind
    first: int
    last: int
    message: str
    exact: bool = True
    """Whether it is at these positions; else it is somewhere among them."""


class Findings:
    """Collects findings: neighbours of one kind as one, and no more than can be read."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.left_off = 0
        """Findings that are not listed."""
        self.kinds: set[Kind] = set()

    def add(self, kind: Kind, first: int, message: str, *, last: int | None = None, exact: bool = True) -> None:
        """Adds one at a position, or from `first` to `last`."""
        self.kinds.add(kind)
        found = Finding(kind, first, first if last is None else last, message, exact)
        if self._extends(found):
            before = self.listed[-1]
            self.listed[-1] = Finding(kind, before.first, found.last, before.message, exact)
        elif len(self.listed) < FINDINGS_MAX:
            self.listed.append(found)
        else:
            self.left_off += 1

    def _extends(self, found: Finding) -> bool:
        if not self.listed or not found.exact:
            return False
        before = self.listed[-1]
        same = (before.kind, before.message, before.exact) == (found.kind, found.message, True)
        return same and before.last + 1 == found.first

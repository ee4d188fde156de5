"""The pages that are reached from every page."""

from collections.abc import Sequence
from dataclasses import dataclass

from bickford_sora.decisions.caller import ROLES, Caller
from ledger.events.governance import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them."""

    label: str
    path: str
    key: str
    """Behind `g`, leads there."""
    roles: tuple[Role, ...] = ROLES
    """Who sees it: any of these."""


ENTRIES: Sequence[Entry] = (
    Entry("Renders", "/renders", "r"),
    Entry("New", "/new", "n", ("requester",)),
    Entry("Approvals", "/approvals", "a"),
    Entry("Spend", "/spend", "s", ("auditor", "admin")),
    Entry("Audit", "/audit", "u", ("auditor", "admin")),
    Entry("Health", "/health", "h", ("auditor", "admin")),
    Entry("Policy", "/policy", "p", ("auditor", "admin")),
    Entry("Settings", "/settings", "e", ("auditor", "admin")),
)


def entries(caller: Caller) -> list[Entry]:
    """Those that this caller may open."""
    return [each for each in ENTRIES if caller.roles.intersection(each.roles)]

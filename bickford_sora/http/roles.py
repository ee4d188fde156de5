"""Which role a route takes. Every route with an API key names one of these; a test walks them all.

A role is looked at before anything else of a request, so that it tells nothing of what exists. What belongs to another
project stays hidden whatever the roles.
"""

from dataclasses import dataclass

from fastapi import Depends

from bickford_sora.decisions.caller import ROLES
from bickford_sora.http.house import TheCaller
from ledger.events.governance import Role


@dataclass(frozen=True, slots=True)
class Takes:
    """A route's dependency: the caller has one of these roles, or is refused with RoleMissing."""

    roles: tuple[Role, ...]

    async def __call__(self, caller: TheCaller) -> None:
        """Raises Unauthorized without a good API key, RoleMissing with one that has none of the roles."""
        caller.check(*self.roles)


ASKING = Takes(("requester",))
ASKS = Depends(ASKING)
"""Makes, changes or deletes something of its project: renders, characters, batches, threads."""
READS = Depends(Takes(ROLES))
"""Sees what was asked for and what came of it: any key may."""
REVIEWS = Depends(Takes(("approver", "admin")))
"""Judges what was made."""
APPROVES = Depends(Takes(("approver",)))
"""Decides whether a held render of somebody else's may happen."""
OVERSEES = Depends(Takes(("auditor", "admin")))
"""Reads the facts themselves, and what is managed: API keys and webhook endpoints."""
ADMINISTERS = Depends(Takes(("admin",)))
"""Manages API keys and webhook endpoints."""

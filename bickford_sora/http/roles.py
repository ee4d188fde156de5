"""Which role a route takes. Authenticating comes first; another project's things are nobody's by any role."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends

from bickford_sora.http.house import TheCaller
from ledger.events.governance import Role


def _takes(*roles: Role) -> Any:
    """A route's dependency: the caller has one of these roles, or is refused with RoleMissing."""

    async def checked(caller: TheCaller) -> None:
        caller.check(*roles)

    check: Callable[..., Awaitable[None]] = checked
    return Depends(check)


ASKS = _takes("requester", "admin")
"""Makes, changes or deletes something of its project: renders, characters, batches, webhook endpoints, threads."""
FOLLOWS = _takes("requester", "auditor", "admin")
"""Reads the facts themselves."""
ADMINISTERS = _takes("admin")
"""Manages API keys."""

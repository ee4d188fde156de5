"""Who asks, and what for."""

from dataclasses import dataclass, replace
from typing import Self

from bickford_sora.errors import RoleMissing
from ledger.events.governance import Role

ROLES: tuple[Role, ...] = ("requester", "approver", "auditor", "admin")
"""Every role there is, in the order they are shown in."""
SPANNING: tuple[Role, ...] = ("auditor", "admin")
"""The roles that may span the tenant; whoever asks and whoever approves does so in one project."""
MAIN = "main"
"""The tenant that runs the server."""
PERSON = "oidc_"
"""What the id of somebody begins with who has no API key, and was signed in by an issuer."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. What it writes stays in its project; what it reads, too, unless it spans the tenant."""

    tenant: str
    project: str
    requester: str
    """Opaque id of who asked; what they wrote is sealed under their key."""
    key_id: str
    """Public id of the API key, or of the person: the actor of what they do."""
    roles: frozenset[Role] = frozenset({"requester"})
    spans_tenant: bool = False
    may_assert_requester: bool = False
    """Whether it is believed when it says on whose behalf it asks."""
    asserted: bool = False
    """Whether `requester` is somebody it named, not whoever has the key."""
    owner: str | None = None
    """Whoever has the key, where `requester` is somebody it named."""
    approves_by_delegation: bool = False
    """Whether it is an approver for a while, in another one's place: then it delegates to nobody."""
    key_head: tuple[str, int] | None = None
    """The key's stream and the version it had; None: a configured key, which has no facts.

    A decision that names it as a head is refused by the ledger when the key was rotated or revoked meanwhile.
    """

    @property
    def named(self) -> str | None:
        """The requester it named; None: it asks for itself."""
        return self.requester if self.asserted else None

    @property
    def holder(self) -> str:
        """Whoever has the key, whomever it names: the same by every successor of the key."""
        return self.owner or self.requester

    @property
    def heads(self) -> dict[str, int]:
        """What a decision of this caller relies on."""
        return dict([self.key_head]) if self.key_head else {}

    @property
    def everywhere(self) -> bool:
        """Whether it reads and manages what belongs to any project of its tenant."""
        return self.spans_tenant and any(role in self.roles for role in SPANNING)

    @property
    def readable(self) -> str | None:
        """The project whose things it reads; None: every project's of its tenant."""
        return None if self.everywhere else self.project

    def reads(self, project: str) -> bool:
        """Whether it may see what belongs to this project of its tenant."""
        return self.everywhere or project == self.project

    def check(self, *roles: Role) -> None:
        """Raises RoleMissing unless it has one of these roles."""
        if not self.roles.intersection(roles):
            named = " or ".join(repr(role) for role in roles)
            lacking = (
                f"None of your groups has the role {named} here, which this takes. Ask whoever runs this server."
                if self.key_id.startswith(PERSON)
                else f"This API key does not have the role {named}, which this takes. Use a key that has it, or have "
                "an admin of the project issue one."
            )
            raise RoleMissing(lacking, code="role_missing")

    def on(self, key_head: tuple[str, int]) -> Self:
        """The same caller by a later state of its key."""
        return replace(self, key_head=key_head)

"""Who asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. It sees the videos of its project and no others."""

    tenant: str
    project: str
    requester: str
    """Opaque id of who asked; what they wrote is sealed under their key."""
    key_id: str
    """Public id of the API key: the actor of what they do."""

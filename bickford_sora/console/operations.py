"""What operators look at and no HTTP route tells: renderers, work that waits, and the read models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.recording import Origin
from bickford_sora.renderers.fleet import ReplicaHealth
from projections.backlog import Waiting
from projections.positions import Lag, Parked


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """How an installation stands. Everything may raise `ledger.errors.Unavailable`."""

    tenant: str
    """Whose renders commands of this installation are about."""
    versions: Mapping[str, int]
    """Of every read model, as this program makes it."""
    lag: Callable[[], Sequence[Lag]]
    parked: Callable[[], Sequence[Parked]]
    backlog: Callable[[], Sequence[Waiting]]
    """What is to be done, by step and renderer."""
    renderers: Callable[[], Sequence[ConfiguredRenderer]]
    replicas: Callable[[], Sequence[ReplicaHealth]]
    """As they look from this process."""
    stopped: Callable[[str], Sequence[str]]
    """Models that a renderer is not asked for until an operator has looked at it."""
    resume: Callable[[ConfiguredRenderer, Origin], None]
    """Has a renderer asked again for all of them, in the name of who says so."""

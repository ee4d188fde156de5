"""Which process of which renderer is asked: replicas and their health.

A job belongs to the replica that took it: every later call goes there, also when the replica is drained or no longer
listed. How much a renderer is given, at a time and in a minute, is kept where submissions are claimed
(`projections.leases`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from bickford_sora.renderers.port import Renderer

DOWN_FIRST_S = 2.0
"""How long a replica that could not be reached is left alone, at first; it doubles."""
DOWN_MAX_S = 60.0

REPLICAS_UNREACHABLE = "replicas_unreachable"

Monotonic = Callable[[], float]
log = structlog.get_logger(__name__)


class Asked(Protocol):
    """A renderer as the fleet needs to know it."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as `configuration.ConfiguredRenderer` says of each
    @property
    def credential(self) -> str: ...  # noqa: D102
    @property
    def replicas(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def drained(self) -> frozenset[str]: ...  # noqa: D102


Known = TypeVar("Known", bound=Asked)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody can be reached now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Vacancy:
    """What a renderer takes now, as it looks from this process."""

    submissions_max: int | None = None
    """Most that may begin now. None: no limit."""
    closed: str | None = None
    """Why none may."""


@dataclass(slots=True)
class _Replica:
    down_until: float = 0.0
    failures: int = 0
    chosen: int = 0


@dataclass(frozen=True, slots=True)
class ReplicaHealth:
    """How one replica looks from this process."""

    renderer: str
    replica: str
    drained: bool
    down_for_s: float
    """How long it is still left alone; 0: it is asked."""


class Fleet(Generic[Known]):
    """All renderers. Safe to use from several threads.

    Args:
        open_replica: a renderer at one address; called once for each as it is configured, closed by whoever gave it.
        monotonic: for tests.
    """

    def __init__(
        self,
        open_replica: Callable[[Known, str], Renderer],
        *,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._open = open_replica
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._configured: dict[tuple[str, str], Known] = {}
        self._seen: dict[tuple[str, str], dict[str, _Replica]] = {}
        """What is remembered of each renderer's replicas."""
        self._opened: dict[tuple[Known, str], Renderer] = {}

    def configure(self, renderers: Sequence[Known]) -> None:
        """From now on these. What is known of those that stay is kept."""
        with self._lock:
            self._configured = {(each.name, each.credential): each for each in renderers}
            self._seen = {key: self._seen.get(key, {}) for key in self._configured}
            kept = set(self._configured.values())
            self._opened = {key: each for key, each in self._opened.items() if key[0] in kept}

    def at(self, renderer: str, credential: str, replica: str) -> Renderer | None:
        """The replica that has a job, None when the renderer is not configured."""
        with self._lock:
            asked = self._configured.get((renderer, credential))
            return None if asked is None else self._replica(asked, replica)

    def first(self, renderer: str, credential: str) -> Renderer | None:
        """Any replica, for what is no job; None when the renderer is not configured."""
        with self._lock:
            asked = self._configured.get((renderer, credential))
            return None if asked is None else self._replica(asked, self._usable(asked)[0])

    def choose(self, renderer: str, credential: str, *, replica: str | None = None) -> Renderer | Wait | None:
        """Who is asked for a new job: of those that can be reached, the one that was asked least.

        `replica` is the only one that will do. None when the renderer is not configured.
        """
        with self._lock:
            asked = self._configured.get((renderer, credential))
            return None if asked is None else self._chosen(asked, replica)

    def vacancy(self, renderer: str, credential: str) -> Vacancy:
        """What may begin now. A renderer that is not configured is nobody's to close."""
        with self._lock:
            asked = self._configured.get((renderer, credential))
            if asked is None:
                return Vacancy()
            now, seen = self._monotonic(), self._seen[renderer, credential]
            known = [seen.get(each, _Replica()) for each in self._usable(asked)]
            are_down = all(each.down_until > now for each in known)
            return Vacancy(0, REPLICAS_UNREACHABLE) if are_down else Vacancy()

    def unreachable(self, renderer: Renderer) -> None:
        """It could not be reached: it is left alone for a while, longer each time."""
        with self._lock:
            seen = self._of(renderer)
            seen.failures += 1
            pause_s = min(DOWN_FIRST_S * 2 ** (seen.failures - 1), DOWN_MAX_S)
            seen.down_until = self._monotonic() + pause_s
        log.warning("replica_unreachable", renderer=renderer.name, replica=renderer.replica, left_alone_s=pause_s)

    def reached(self, renderer: Renderer) -> None:
        """It answered."""
        with self._lock:
            self._of(renderer).failures = 0

    def health(self) -> list[ReplicaHealth]:
        """Every replica as it looks from this process."""
        now = self._monotonic()
        with self._lock:
            return [
                ReplicaHealth(
                    asked.name,
                    each,
                    each in asked.drained,
                    max(0.0, self._seen[key].get(each, _Replica()).down_until - now),
                )
                for key, asked in self._configured.items()
                for each in asked.replicas
            ]

    def _chosen(self, asked: Known, replica: str | None) -> Renderer | Wait:
        now = self._monotonic()
        seen = self._seen[asked.name, asked.credential]
        able = [replica] if replica is not None else self._usable(asked)
        known = {each: seen.setdefault(each, _Replica()) for each in able}
        ready = [each for each in able if known[each].down_until <= now]
        if not ready:
            return Wait(min(each.down_until for each in known.values()) - now)
        first = min(ready, key=lambda each: known[each].chosen)
        known[first].chosen += 1
        return self._replica(asked, first)

    def _usable(self, asked: Known) -> list[str]:
        """Those that take new jobs; all of them when every one is drained."""
        return [each for each in asked.replicas if each not in asked.drained] or list(asked.replicas)

    def _replica(self, asked: Known, replica: str) -> Renderer:
        if (asked, replica) not in self._opened:
            self._opened[asked, replica] = self._open(asked, replica)
        return self._opened[asked, replica]

    def _of(self, renderer: Renderer) -> _Replica:
        seen = self._seen.setdefault((renderer.name, renderer.credential), {})
        return seen.setdefault(renderer.replica, _Replica())

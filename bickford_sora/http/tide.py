"""Waiting for the ledger to move on: one look for all who wait."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import structlog

from bickford_sora.errors import TooManyRequests
from bickford_sora.http.crossing import Crossing
from ledger.errors import Unavailable

LOOK_S = 0.2
"""Pause between two looks while somebody waits, in seconds."""
STREAMS_MAX = 200
"""Streams one process serves at a time."""
STREAMS_PER_KEY_MAX = 50
"""Of them, streams of one API key."""
CLOSING_S = 0.5
"""How soon a stream notices that the server is about to stop, in seconds."""

log = structlog.get_logger(__name__)


class Tide:
    """Tells waiting streams that the read model of events has come further. For one event loop.

    `reached` is the position it has come to; it is asked in a thread, and only while somebody waits.
    """

    def __init__(
        self,
        reached: Callable[[], int],
        *,
        streams_max: int = STREAMS_MAX,
        streams_per_key_max: int = STREAMS_PER_KEY_MAX,
    ) -> None:
        self.closing = threading.Event()
        """Set when the server is about to stop: streams end, and clients go on elsewhere."""
        self._reached = reached
        self._crossing = Crossing(1)
        self._streams_max = streams_max
        self._streams_per_key_max = streams_per_key_max
        self._streams = 0
        self._streams_by_key: Counter[str] = Counter()
        self._level = 0
        self._moved = anyio.Event()
        self._looking: asyncio.Task[None] | None = None

    def check_room(self, key_id: str) -> None:
        """Raises TooManyRequests when as many streams are served, in all or with this API key, as may be."""
        if self._streams >= self._streams_max or self._streams_by_key[key_id] >= self._streams_per_key_max:
            raise TooManyRequests(
                "The rate limit of open streams is reached. Close one, or ask again later.",
                code="too_many_streams",
                retry_after_ms=1000,
            )

    @contextlib.contextmanager
    def stream(self, key_id: str) -> Iterator[None]:
        """For as long as a stream is served."""
        self._streams += 1
        self._streams_by_key[key_id] += 1
        try:
            yield
        finally:
            self._streams -= 1
            self._streams_by_key[key_id] -= 1
            if not self._streams_by_key[key_id]:
                del self._streams_by_key[key_id]

    async def turns(self, *, at_most_s: float) -> AsyncIterator[None]:
        """Once now, then whenever something was recorded, and after `at_most_s` without; until the server stops."""
        while not self.closing.is_set():
            level = self._level
            yield
            await self._past(level, at_most_s)

    async def _past(self, level: int, timeout_s: float) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        with anyio.move_on_after(timeout_s):
            while self._level <= level and not self.closing.is_set():
                with anyio.move_on_after(CLOSING_S):
                    await self._moved.wait()

    async def _look(self) -> None:
        """Looks until nobody is left."""
        while self._streams and not self.closing.is_set():
            with contextlib.suppress(Unavailable):  # whoever waits asks the same database and says so
                level = await self._crossing.run(self._reached)
                if level > self._level:
                    self._level, moved = level, self._moved
                    self._moved = anyio.Event()
                    moved.set()
            await anyio.sleep(LOOK_S)

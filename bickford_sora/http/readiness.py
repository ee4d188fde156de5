"""What the database is asked for operators and probes, told in time: also while it gives no answer at all."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from bickford_sora.http.crossing import Crossing

READY_WAIT_S = 3.0
"""How long a look may take before its silence is the answer, in seconds; probes wait for 5."""
NUMBERS_WAIT_S = 8.0
"""The same where numbers are asked for, which takes longer; Prometheus waits for 10."""
NUMBERS_AT_ONCE = 4
"""How many callers' numbers are looked for at a time."""
SILENT = "the database gives no answer"

Told = TypeVar("Told")


class Looks(Generic[Told]):
    """Looks at each thing once at a time, for all who ask it meanwhile. For one event loop.

    A database that hangs confirms what it is sent and does not answer it: a look may take half a minute.
    """

    def __init__(self, *, wait_s: float, at_once: int = 1) -> None:
        self._wait_s = wait_s
        self._crossing = Crossing(at_once)
        self._looking: dict[Hashable, asyncio.Task[Told]] = {}

    async def ask(self, name: Hashable, look: Callable[[], Told]) -> Told | None:
        """What `look` says, or raises, in a thread; None where it says nothing in time. `name` is what it looks at."""
        looking = self._looking.get(name)
        if looking is None:
            looking = self._looking[name] = asyncio.create_task(self._crossing.run(look))
            looking.add_done_callback(lambda done: self._ended(name, done))
        done, _ = await asyncio.wait({looking}, timeout=self._wait_s)
        return looking.result() if done else None

    def _ended(self, name: Hashable, done: asyncio.Task[Told]) -> None:
        del self._looking[name]
        if not done.cancelled():
            done.exception()  # whoever waits is told; where nobody does it is nobody's


class Readiness:
    """Whether a process can serve."""

    def __init__(self, look: Callable[[], Sequence[str]], *, wait_s: float = READY_WAIT_S) -> None:
        """`look` says what keeps the process from serving, in words for an operator; nothing when it is ready."""
        self.look = look
        self._looks = Looks[Sequence[str]](wait_s=wait_s)

    async def problems(self) -> Sequence[str]:
        """What `look` says, or that it says nothing."""
        said = await self._looks.ask("ready", self.look)
        return (SILENT,) if said is None else said

"""Whether a process can serve, said in time: also while what is asked gives no answer at all."""

import asyncio
from collections.abc import Callable, Sequence

from bickford_sora.http.crossing import Crossing

READY_WAIT_S = 3.0
"""How long a look may take before its silence is the answer, in seconds; probes wait for 5."""
SILENT = "the database gives no answer"


class Readiness:
    """Looks one time after the other, for all who ask meanwhile. For one event loop.

    A database that hangs confirms what it is sent and does not answer it: a look may take for ever.
    """

    def __init__(self, look: Callable[[], Sequence[str]], *, wait_s: float = READY_WAIT_S) -> None:
        """`look` says what keeps the process from serving, in words for an operator; nothing when it is ready."""
        self.look = look
        self._wait_s = wait_s
        self._crossing = Crossing(1)
        self._looking: asyncio.Task[Sequence[str]] | None = None

    async def problems(self) -> Sequence[str]:
        """What `look` says, or that it says nothing."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._crossing.run(self.look))
        done, _ = await asyncio.wait({self._looking}, timeout=self._wait_s)
        return self._looking.result() if done else (SILENT,)

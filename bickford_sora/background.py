"""What runs beside the HTTP server, or alone in a worker process: following the ledger, and working."""

import threading
from typing import Self

from bickford_sora.composition import Books, Gateway
from bickford_sora.workers.loop import WorkLoop
from ledger.following import Bell, PostgresBell


class _WakingBell:
    """A bell that also wakes the work loop whenever the read models have taken in what there was."""

    def __init__(self, bell: Bell, wake: threading.Event) -> None:
        self._bell = bell
        self._wake = wake

    def wait(self, timeout_s: float) -> None:
        """Called by the projector when nothing is left to apply."""
        self._wake.set()
        self._bell.wait(timeout_s)

    def close(self) -> None:
        """Closes the bell underneath."""
        self._bell.close()


class Background:
    """Threads that follow the ledger and, with a gateway's crew, work. Stopping finishes what was begun."""

    def __init__(self, books: Books, gateway: Gateway | None) -> None:
        self._stop = threading.Event()
        wake = threading.Event()
        bell = _WakingBell(PostgresBell(books.url, self._stop), wake)
        self._threads = [threading.Thread(target=books.projector.run, args=(self._stop, bell), name="projector")]
        if gateway is not None:
            loop = WorkLoop(gateway.crew, wake=wake)
            self._threads.append(threading.Thread(target=loop.run, args=(self._stop,), name="work-loop"))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

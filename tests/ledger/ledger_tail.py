"""A reader that follows a ledger in a thread of its own."""

import threading

from ledger.application import Ledger
from ledger.following import Bell, follow

DELIVERY_TIMEOUT_S = 60.0


class Tail:
    """A reader in a thread of its own, and the positions it has seen."""

    def __init__(self, ledger: Ledger, bell: Bell, stop: threading.Event, **how: float) -> None:
        self.positions: list[int] = []
        self.failure: Exception | None = None
        self._grown = threading.Condition()
        self._stop = stop
        self._batches = follow(ledger, bell, stop, **{"after": 0, **how})
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def saw(self, position: int) -> bool:
        """Whether it has come to `position`; waits for it, but not for ever."""
        with self._grown:
            return self._grown.wait_for(lambda: position in self.positions, DELIVERY_TIMEOUT_S)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(DELIVERY_TIMEOUT_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for batch in self._batches:
                with self._grown:
                    self.positions.extend(each.position for each in batch)
                    self._grown.notify_all()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

"""Whether this machine's clock can be gone by: the database's bears witness.

A clock that jumps a day ahead has every render in flight be overdue, every approval lapse and every prompt's time be
over. None of that can be taken back when the clock is.
"""

import time
from collections.abc import Callable

from ledger.clock import Clock, system_clock
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool

CLOCKS_APART_S_MAX = 600.0
"""Distance between this machine's clock and the database's from which on nothing is begun that goes by the time."""

CheckTime = Callable[[], None]
"""Raises ClocksApart, and ledger.errors.Unavailable when the database does not answer."""


class ClocksApart(Exception):  # noqa: N818 - it says what is the case
    """This machine's clock and the database's differ by more than can be worked with. Set both right, by NTP."""


def unchecked() -> None:
    """For a clock that is turned by hand, as tests do."""


class Witness:
    """Holds a clock against the database's. Safe to use from several threads."""

    def __init__(self, pool: Pool, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._monotonic = monotonic
        self._agreed: float | None = None
        """How far the clock was ahead of the monotonic one when it last agreed with the database's, in seconds."""

    def check(self) -> None:
        """Raises ClocksApart when the two differ, unless it is the database's that jumped: only records show that."""
        apart_s, ahead_s = self._compared()
        if apart_s <= CLOCKS_APART_S_MAX:
            self._agreed = ahead_s
        elif self._agreed is None or abs(ahead_s - self._agreed) > CLOCKS_APART_S_MAX:
            raise ClocksApart(f"this machine's clock and the database's differ by {apart_s:.0f} s")

    def _compared(self) -> tuple[float, float]:
        before = self._clock()
        with reading(self._pool) as connection:
            [(theirs,)] = connection.execute(query("database_time"), prepare=True).fetchall()
        after = self._clock()
        apart_s = max((before - theirs).total_seconds(), (theirs - after).total_seconds())
        return apart_s, after.timestamp() - self._monotonic()


def beside_database(pool: Pool, clock: Clock) -> CheckTime:
    """What checks the machine's clock; nothing checks one that is turned by hand."""
    return Witness(pool, clock).check if clock is system_clock else unchecked

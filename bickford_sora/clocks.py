"""Whether this machine's clock can be gone by: the database's bears witness.

A clock that jumps a day ahead has every render in flight be overdue, every approval lapse and every prompt's time be
over. None of that can be taken back when the clock is.
"""

import time
from collections.abc import Callable

from bickford_sora.errors import TryLater
from ledger.clock import Clock, system_clock
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool

CLOCKS_APART_S_MAX = 600.0
"""Distance between this machine's clock and the database's from which on nothing is begun that goes by the time."""

ASKED_AGAIN_S = 10.0
"""How long the two are taken to agree, in seconds, without the database being asked, while no clock jumps here."""
JUMP_S = 1.0
"""From how much on a clock that goes otherwise than the monotonic one has jumped, in seconds."""

CheckTime = Callable[[], None]
"""Raises ClocksApart, and ledger.errors.Unavailable when the database does not answer."""


class ClocksApart(TryLater):
    """This machine's clock and the database's differ by more than can be worked with. Set both right, by NTP."""

    def __init__(self, apart_s: float) -> None:
        super().__init__(
            f"This machine's clock and the database's differ by {apart_s:.0f} s: nothing is accepted here. "
            "Send the request again; an operator has to set both clocks right.",
            code="clocks_apart",
        )
        self.apart_s = apart_s


def unchecked() -> None:
    """For a clock that is turned by hand, as tests do."""


class Witness:
    """Holds a clock against the database's. Safe to use from several threads."""

    def __init__(self, pool: Pool, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._monotonic = monotonic
        self._agreed: tuple[float, float] | None = None
        """When it last agreed with the database's, by the monotonic clock, and how far it was ahead of that one."""

    def check(self) -> None:
        """Raises ClocksApart when the two differ, unless it is the database's that jumped: only records show that.

        The database is asked about every `ASKED_AGAIN_S`, and at once when this machine's clock jumped.
        """
        agreed, now_s = self._agreed, self._monotonic()
        ahead_s = self._clock().timestamp() - now_s
        if agreed is not None and now_s - agreed[0] < ASKED_AGAIN_S and abs(ahead_s - agreed[1]) < JUMP_S:
            return
        apart_s = self._apart_s()
        if apart_s <= CLOCKS_APART_S_MAX:
            self._agreed = now_s, ahead_s
        elif agreed is None or abs(ahead_s - agreed[1]) > CLOCKS_APART_S_MAX:
            raise ClocksApart(apart_s)

    def _apart_s(self) -> float:
        before = self._clock()
        with reading(self._pool) as connection:
            [(theirs,)] = connection.execute(query("database_time"), prepare=True).fetchall()
        after = self._clock()
        apart_s: float = max((before - theirs).total_seconds(), (theirs - after).total_seconds())
        return apart_s


def beside_database(pool: Pool, clock: Clock) -> CheckTime:
    """What checks the machine's clock; nothing checks one that is turned by hand."""
    return Witness(pool, clock).check if clock is system_clock else unchecked

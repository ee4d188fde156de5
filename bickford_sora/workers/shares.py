"""How many of a crew's workers wait for one renderer, or for one project's endpoints. Pure.

One that hangs, or answers drop by drop, holds whoever asks it until a time limit. So that the others are gone on with
meanwhile, it never has the last worker; and once it was seen to be slow it has fewer than are free, which leaves a half
to the others, and a third with two such.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from projections.leases import Room, Rooms

SLOW_S = 2.0
"""A task that takes so long shows that whom it waits for is slow, in seconds."""
SLOW_MAX = 10_000
"""How many slow ones are remembered."""


class Shares:
    """Counts what is held of `size` workers, by whom they wait for; `slow` are those seen to be slow.

    Nobody is held to a share who is `alone`, nor what waits for nobody in particular (None).
    """

    def __init__(
        self, size: int, held: Mapping[str | None, int], slow: Collection[str | None], *, alone: bool = False
    ) -> None:
        self._size = size
        self._held = Counter(held)
        self._slow = slow
        self._alone = alone

    def left(self, waits_for: str | None) -> int:
        """How many more tasks may begin that wait for this one."""
        held, free = self._held[waits_for], self._size - self._held.total()
        if self._alone or waits_for is None or self._size == 1:
            return max(0, free)
        if waits_for in self._slow:
            return max(0, (free - held + 1) // 2)  # each that begins is one held more, and one free less
        return max(0, min(free, self._size - 1 - held))

    def take(self, waits_for: str | None) -> None:
        """One more has begun."""
        self._held[waits_for] += 1

    def is_slow(self, waits_for: str | None) -> bool:
        """Whether it was seen to be slow."""
        return waits_for in self._slow

    def narrowed(self, rooms: Rooms) -> Rooms:
        """What the renderers take, no more than what is left to each."""
        if self._alone:
            return rooms
        return replace(rooms, rooms=[self._narrowed(room) for room in rooms.rooms])

    def _narrowed(self, room: Room) -> Room:
        left = self.left(room.renderer)
        if room.submissions_max is not None and room.submissions_max <= left:
            return room
        return replace(room, submissions_max=left)

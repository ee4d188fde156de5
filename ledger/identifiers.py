"""Ids that sort by the time they were made (UUIDv7, RFC 9562 section 5.7)."""

import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, SafeUUID

from ledger.clock import Clock, system_clock

NewId = Callable[[], UUID]
"""Makes one new id at each call."""

_RANDOM_BYTES = 10
_IDS_DRAWN = 256
"""For how many ids random bytes are drawn at once."""
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM = (1 << 76) - 1 & ~(0b11 << 62)
"""The bits that are neither time, version nor variant: rand_a and rand_b."""
_MILLISECONDS_MAX = (1 << 48) - 1
_new: Any = UUID.__new__
_set = object.__setattr__
_UNKNOWN = SafeUUID.unknown


def new_uuid7(clock: Clock = system_clock) -> UUID:
    """One UUIDv7: 48 bits of Unix milliseconds from `clock`, the rest random.

    Raises ValueError for a time before 1970.
    """
    milliseconds = int(clock().timestamp() * 1000)
    if not 0 <= milliseconds <= _MILLISECONDS_MAX:
        raise ValueError("a UUIDv7 holds no time before 1970 or behind 10889")
    # As its constructor sets them, which takes twice as long (measured): it looks for five other forms first.
    made = _new(UUID)
    _set(made, "int", milliseconds << 80 | _random_bits())
    _set(made, "is_safe", _UNKNOWN)
    return made  # type: ignore[no-any-return]


def made_at(made: UUID) -> datetime:
    """When a UUIDv7 was made."""
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC)


def first_of(moment: datetime) -> UUID:
    """Sorts before every UUIDv7 made at this moment or later, and behind those made before."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


_drawn: deque[int] = deque()
"""Random bits for ids to come. Emptied in a forked child, so that no two processes make the same id."""
os.register_at_fork(after_in_child=_drawn.clear)


def _random_bits() -> int:
    """All of an id but its time: unpredictable bits, its version and its variant.

    They are drawn for many ids at once: the operating system's call lets go of the interpreter's lock, and with many
    threads getting it back costs three times what making an id does.
    """
    try:
        return _drawn.popleft()
    except IndexError:
        drawn = os.urandom(_RANDOM_BYTES * _IDS_DRAWN)
        starts = range(0, len(drawn), _RANDOM_BYTES)
        first, *others = [
            int.from_bytes(drawn[start : start + _RANDOM_BYTES]) & _RANDOM | _VERSION_7 | _VARIANT for start in starts
        ]
        _drawn.extend(others)
        return first


def id_maker(clock: Clock) -> NewId:
    """A maker of UUIDv7 ids that reads `clock`."""

    def new_id() -> UUID:
        return new_uuid7(clock)

    return new_id

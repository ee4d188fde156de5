"""Ids that sort by the time they were made (UUIDv7, RFC 9562 section 5.7)."""

import secrets
from collections.abc import Callable
from uuid import UUID

from ledger.clock import Clock, system_clock

NewId = Callable[[], UUID]
"""Makes one new id at each call."""

_RANDOM_BYTES = 10
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM = (1 << 76) - 1 & ~(0b11 << 62)
"""The bits that are neither time, version nor variant: rand_a and rand_b."""


def new_uuid7(clock: Clock = system_clock) -> UUID:
    """One UUIDv7: 48 bits of Unix milliseconds from `clock`, the rest random."""
    milliseconds = int(clock().timestamp() * 1000)
    random = int.from_bytes(secrets.token_bytes(_RANDOM_BYTES)) & _RANDOM
    return UUID(int=milliseconds << 80 | _VERSION_7 | _VARIANT | random)


def id_maker(clock: Clock) -> NewId:
    """A maker of UUIDv7 ids that reads `clock`."""

    def new_id() -> UUID:
        return new_uuid7(clock)

    return new_id

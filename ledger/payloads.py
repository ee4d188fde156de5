"""Payloads, and what stands in the place of one that was moved to the file of a closed segment.

A payload is JSON and so never begins with a zero byte. What stands for one does, and goes on with its SHA-256.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NoReturn

from ledger.errors import SegmentUnreadable

MARK = b"\x00"
"""What stands for a payload begins with this."""

_BEGUN = sha256()

ReadPayload = Callable[[int, bytes], bytes]
"""Gives the payload at a position, of which the ledger has only what stands for it. Raises SegmentUnreadable."""


def is_moved(stored: bytes) -> bool:
    """Whether these stored bytes stand for a payload that is elsewhere."""
    return stored[:1] == MARK


def payload_sha256(stored: bytes) -> str:
    """The SHA-256 of a payload in hex, wherever it is."""
    if stored[:1] == MARK:
        return stored[1:].hex()
    hashed = _BEGUN.copy()  # less than to begin one
    hashed.update(stored)
    return hashed.hexdigest()


def unread(position: int, _stored: bytes) -> NoReturn:
    """Reads no segment: for whoever was given no folder of them."""
    raise SegmentUnreadable(f"the payload at position {position} is in a closed segment, and none is read here")

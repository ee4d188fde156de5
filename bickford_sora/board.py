"""A board on which one process writes its newest text for another one that was forked from the same: shared memory.

The reader takes no lock and never waits. A text that is being written while it is read does not fit its hash, and is
read again; a writer that died in the middle leaves a board that nothing can be read from until the next one writes.
"""

import hashlib
import mmap
import struct

BOARD_BYTES = 1 << 20
"""Room for a text and its header, in bytes; a longer text is not written."""
READS_MAX = 5
_HEADER = struct.Struct("!I32s")


class Board:
    """Made before the processes part. One writer at a time, any number of readers."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, BOARD_BYTES)

    def write(self, text: bytes) -> bool:
        """Puts this text in the place of the last one. False, and the last one stays, when it is too long."""
        if len(text) > BOARD_BYTES - _HEADER.size:
            return False
        self._memory[_HEADER.size : _HEADER.size + len(text)] = text
        self._memory[: _HEADER.size] = _HEADER.pack(len(text), hashlib.sha256(text).digest())
        return True

    def read(self) -> bytes:
        """The newest text; empty while there is none."""
        for _ in range(READS_MAX):
            length, digest = _HEADER.unpack(self._memory[: _HEADER.size])
            text = self._memory[_HEADER.size : _HEADER.size + min(length, BOARD_BYTES)]
            if hashlib.sha256(text).digest() == digest:
                return text
        return b""

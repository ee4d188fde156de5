"""Whether the file system keeps a file for good: the attributes that `chattr +i` and `chattr +a` set (Linux)."""

import fcntl
import struct

_GET_FLAGS = 0x80086601
"""FS_IOC_GETFLAGS (linux/fs.h)."""
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
"""FS_IMMUTABLE_FL and FS_APPEND_FL."""
_LONG = struct.calcsize("l")


def keeps(descriptor: int) -> bool:
    """Whether nobody can delete this file, or anything in this folder. False where there are no such attributes."""
    try:
        answer = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(_LONG))
    except OSError:  # another system, or a file system without attributes
        return False
    (flags,) = struct.unpack("I", answer[:4])
    return bool(flags & (_IMMUTABLE | _APPEND_ONLY))

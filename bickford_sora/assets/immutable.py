"""Whether the file system keeps a file for good: the attributes that `chattr +i` and `chattr +a` set (Linux)."""

import errno
import fcntl
import os
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


def keeps_entry(folder: int, name: str) -> bool:
    """As `keeps`, of a file in a folder; a link keeps nothing, and a pipe is not waited for."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return False
        raise
    try:
        return keeps(file)
    finally:
        os.close(file)

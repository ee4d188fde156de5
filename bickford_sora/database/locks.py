"""File locks that end with their holder: flock(2) on a file descriptor that no child inherits."""

import fcntl
import os
import weakref
from pathlib import Path
from typing import Self


class FileLock:
    """One open lock file, by its descriptor, with whatever lock that carries.

    The kernel releases the lock when the last copy of the descriptor is closed, so it dies with its holder however that
    ends. Programs started by the holder do not inherit it (close-on-exec), and a forked copy of the holder closes it:
    otherwise a worker that outlives its parent would keep the server alive.
    """

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library takes it by position only
        own = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget(own()))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a lock file, created when missing; nothing is locked yet.

        Raises:
            OSError: it cannot be opened, or is a link.
        """
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))

    def try_shared(self) -> bool:
        """Lock beside other shared holders; False when somebody holds it exclusively."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Lock alone; False when somebody else holds it. A shared lock held before is lost when this fails."""
        return self._try(fcntl.LOCK_EX)

    def fileno(self) -> int:
        """Return the descriptor, to be handed to a child together with the lock.

        Raises:
            ValueError: the lock is closed.
        """
        if self._fd is None:
            raise ValueError("the lock is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        """Whether the lock was released, or left behind by a fork."""
        return self._fd is None

    def unlock(self) -> None:
        """Release the lock and keep the file open."""
        fcntl.flock(self.fileno(), fcntl.LOCK_UN)

    def leave(self) -> None:
        """Close our copy without unlocking: a child that was handed the descriptor keeps the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def release(self) -> None:
        """Release the lock, whoever else has a copy of the descriptor, and close the file. May be repeated."""
        if self._fd is not None:
            self.unlock()
            self.leave()

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self.fileno(), operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _forget(lock: FileLock | None) -> None:
    """Close a forked copy; unlocking here would take the lock from the parent."""
    if lock is not None:
        lock.leave()

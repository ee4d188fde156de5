"""Starting the embedded PostgreSQL while the program that is going to use it still imports."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.errors import DatabaseSetupError


@contextmanager
def started_early(data_dir: Path) -> Iterator[None]:
    """Has the server of this folder started by a process of its own, without waiting, and kept until the end.

    For a process without threads that forks what uses the server: the server stays when all of these die. What keeps it
    from starting is told to whoever acquires it. The last user waits until it has stopped.

    Raises bickford_sora.database.errors.DatabaseSetupError when the folder cannot be used.
    """
    with EmbeddedPostgres.hold(data_dir):
        if os.fork() == 0:
            _start(data_dir)
        yield


def _start(data_dir: Path) -> None:
    """The other process."""
    try:
        with suppress(DatabaseSetupError, OSError):
            EmbeddedPostgres.acquire(data_dir)
    finally:
        os._exit(0)  # our use ends with us; whoever forked us has one

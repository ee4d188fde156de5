"""The guardian: keeps the server running while it has users, and stops it when the last one has gone.

One small process per data folder, started by whoever needs the server first (`embedded.py`). It asks again and again
for the users' lock, exclusively: it gets it when no process uses the server any more, however those processes ended. It
keeps that lock while it stops the server, so a newcomer waits and then starts afresh.

If the guardian itself is killed the server goes on, and the next process that needs it starts a new guardian, which
adopts the running server.
"""

import argparse
import logging
import signal
import sys
import time
from pathlib import Path

from bickford_sora.database import postmaster
from bickford_sora.database.binaries import Binaries
from bickford_sora.database.errors import FolderError
from bickford_sora.database.layout import Layout, prepare_socket_folder
from bickford_sora.database.locks import FileLock
from bickford_sora.database.serveruser import ServerUser

TICK_S = 0.05
RESTART_DELAY_FIRST_S = 0.05
RESTART_DELAY_MAX_S = 2.0
SETTLED_AFTER_S = 1.0  # a server that ran this long had started well
FAILED_STARTS_MAX = 8  # of a server that never ran; one that did is restarted for as long as it has users

# Not structlog: it takes ten times as long to import as everything else here, and this writes into PostgreSQL's log.
_log = logging.getLogger("guardian")


class Guardian:
    """Watches one server. `run` returns whether the server ended because it had no users left."""

    def __init__(self, layout: Layout, binaries: Binaries, user: ServerUser) -> None:
        self._layout = layout
        self._binaries = binaries
        self._user = user
        self._server: postmaster.Postmaster | None = None
        self._started_at = 0.0
        self._failed_starts = 0
        self._has_run = False
        self._next_start_at = 0.0

    def run(self, users: FileLock) -> bool:
        """Keep the server running until `users` can be locked exclusively, then stop it."""
        while not users.try_exclusive():
            self._look_after_server()
            if self._failed_starts > FAILED_STARTS_MAX and not self._has_run:
                _log.error("giving_up failed_starts=%d", self._failed_starts)
                return False
            time.sleep(TICK_S)
        # From here on nobody uses the server and nobody can begin to. Killed here: the lock goes with us, and the next
        # user finds the server ending or adopts it.
        self._stop()
        return True

    def _look_after_server(self) -> None:
        if self._server is None:
            if time.monotonic() >= self._next_start_at:
                self._start()
        elif self._server.poll() is None:
            if time.monotonic() - self._started_at > SETTLED_AFTER_S:
                self._has_run, self._failed_starts = True, 0
        else:
            self._server = None
            delay_s = min(RESTART_DELAY_FIRST_S * 2**self._failed_starts, RESTART_DELAY_MAX_S)
            self._next_start_at = time.monotonic() + delay_s
            self._failed_starts += 1
            _log.warning("server_ended restart_in_s=%.2f", delay_s)

    def _stop(self) -> None:
        """Stop the server; one that came with a user who left before our first look is adopted for that."""
        server = self._server or postmaster.adopt(self._layout)
        if server is not None:
            stopped = postmaster.stop(server)
            _log.info("no_users_left stopped=%s", stopped)

    def _start(self) -> None:
        """Adopt the server that listens already, else start one."""
        self._started_at = time.monotonic()
        try:
            self._server = postmaster.adopt(self._layout)
            if self._server is not None:
                _log.info("server_adopted")
                return
            prepare_socket_folder(self._layout, self._user)
            self._server = postmaster.start(self._layout, self._binaries, self._user)
        except (OSError, FolderError) as error:
            _log.error("server_start_failed error=%s", error)
            self._failed_starts += 1
            self._next_start_at = time.monotonic() + RESTART_DELAY_MAX_S


def command(layout: Layout, binaries: Binaries, user: ServerUser, guardian_lock: FileLock) -> list[str]:
    """Return the command line of a guardian that is handed `guardian_lock`."""
    return [
        *(sys.executable, "-m", __name__),
        *("--data-dir", str(layout.data_dir)),
        *("--binaries", str(binaries.folder), "--major", str(binaries.major), "--minor", str(binaries.minor)),
        *("--user", user.name, "--user-id", str(user.user_id), "--group-id", str(user.group_id)),
        *(["--switched"] if user.switched else []),
        *("--lock-fd", str(guardian_lock.fileno())),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the guardian of one data folder; the exit status is 1 if the server never started."""
    options = _parse(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Whoever stops a whole group of processes means the users; they may still need the server to end well.
        signal.signal(signum, lambda *_: None)
    # Neither lock is released by hand: both end with this process, so that a lock found free means a guardian gone.
    own_lock = FileLock(options.lock_fd)
    layout = Layout(options.data_dir)
    guardian = Guardian(
        layout,
        Binaries(options.binaries, options.major, options.minor),
        ServerUser(options.user, options.user_id, options.group_id, options.switched),
    )
    ended_well = guardian.run(FileLock.open(layout.users_lock))
    _log.info("guardian_leaves lock_fd=%d", own_lock.fileno())
    return 0 if ended_well else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guardian")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--major", type=int, required=True)
    parser.add_argument("--minor", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--user-id", type=int, required=True)
    parser.add_argument("--group-id", type=int, required=True)
    parser.add_argument("--switched", action="store_true")
    parser.add_argument("--lock-fd", type=int, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

"""The server process: start it, recognise a running one, stop it.

Whether a server runs is asked of its socket, never of postmaster.pid: a pid in a file may be a zombie's or reused.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from bickford_sora.database import page_cache
from bickford_sora.database.binaries import Binaries
from bickford_sora.database.cluster import ENVIRONMENT
from bickford_sora.database.layout import PORT, Layout
from bickford_sora.database.serveruser import ServerUser
from ledger.keepalives import CONNECT_TIMEOUT_S

FAST_STOP_TIMEOUT_S = 60.0
IMMEDIATE_STOP_TIMEOUT_S = 10.0
LOG_BYTES_MAX = 16 * 1024 * 1024
_POLL_INTERVAL_S = 0.01
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Postmaster(Protocol):
    """A server process: our child (`subprocess.Popen`) or an adopted one."""

    def poll(self) -> int | None:
        """Return None while it runs."""

    def send_signal(self, signum: int, /) -> None:
        """Signal it, unless it has ended."""


class AdoptedPostmaster:
    """A server whose guardian died: not our child, so it can be watched and signalled, not waited for.

    `pid` is 0 when it runs in a container whose processes we cannot see: it is used then, and left alone.
    """

    def __init__(self, pid: int, socket_path: Path) -> None:
        self.pid = pid
        self._socket_path = socket_path
        self._pidfd = _open_pidfd(pid)

    def poll(self) -> int | None:
        """Return None while it runs."""
        if self._pidfd is None:
            return None if listens(self._socket_path) else 0
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        return 0 if poller.poll(0) else None

    def send_signal(self, signum: int, /) -> None:
        """Signal it, unless it has ended or is out of our reach."""
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "linux" and self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signum)
            elif self.pid and self.poll() is None:
                os.kill(self.pid, signum)


def start(layout: Layout, binaries: Binaries, user: ServerUser) -> subprocess.Popen[bytes]:
    """Start the server as our child. It is not ready yet: that is known by connecting."""
    _rotate(layout.log)
    _forget_dead_server(layout)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": layout.socket_folder,
        "unix_socket_permissions": "0700",
        "port": PORT,
        "max_connections": 100,
        "shared_buffers": page_cache.setting(),
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_destination": "stderr",
        **_recovery(),
    }
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with layout.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own program and arguments
            [binaries.postgres, "-D", layout.cluster, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=ENVIRONMENT,
            **user.identity(),
        )


def _recovery() -> dict[str, str]:
    """How a server that was killed makes sure that what it finds is on disk, before it recovers.

    By default it opens and syncs each of a cluster's 1,000 files and more, which takes seconds on a busy machine, and
    nobody is answered meanwhile. One call for the whole file system means the same.
    """
    return {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}


def adopt(layout: Layout) -> AdoptedPostmaster | None:
    """Return the server that listens on the socket, None when none does.

    Its pid comes from the kernel, with the connection: on Linux the peer of a Unix socket is the process that called
    listen(2), and the connection is held until the pidfd is open. Elsewhere it is read from the server's own
    postmaster.pid, which PostgreSQL keeps true for as long as it listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_TIMEOUT_S)
        try:
            connection.connect(os.fspath(layout.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        try:
            return AdoptedPostmaster(_peer_pid(connection, layout), layout.socket)
        except ProcessLookupError:
            return None


def listens(socket_path: Path) -> bool:
    """Whether a server accepts connections on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_TIMEOUT_S)
        try:
            connection.connect(os.fspath(socket_path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:  # its queue is full: it listens, and is busy
            return True
        return True


def stop(postmaster: Postmaster) -> bool:
    """Stop the server: fast shutdown, then immediate (its WAL recovers what that cuts off). False if it still runs."""
    for signum, timeout_s in (
        (signal.SIGINT, FAST_STOP_TIMEOUT_S),
        (signal.SIGQUIT, IMMEDIATE_STOP_TIMEOUT_S),
    ):
        if postmaster.poll() is None:
            postmaster.send_signal(signum)
        if _ends_within(postmaster, timeout_s):
            return True
    return False


def _ends_within(postmaster: Postmaster, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while postmaster.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_INTERVAL_S)
    return True


def _open_pidfd(pid: int) -> int | None:
    """Return a descriptor that names this process for ever, so that a reused pid is never signalled.

    None where the system has no such thing (other than Linux, and Linux before 5.3) or the pid is not ours to see.

    Raises:
        ProcessLookupError: the process has ended.
    """
    if sys.platform != "linux" or not pid:
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None


def _peer_pid(connection: socket.socket, layout: Layout) -> int:
    if sys.platform == "linux":
        pid, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        return int(pid)
    else:  # noqa: RET505 - mypy takes what follows a platform test without else for unreachable
        return int((layout.cluster / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])


def _forget_dead_server(layout: Layout) -> None:
    """Remove the pid files of a server that is certainly dead.

    PostgreSQL refuses to start while the pid in its lock file exists, also as a zombie or as another program of the
    same user, which is usual in containers. A living server or backend always has the cluster as its working folder,
    so the files are removed only if nobody listens and no process works there. Without /proc PostgreSQL decides alone.
    """
    pid_file = layout.cluster / "postmaster.pid"
    if not pid_file.exists() or not Path("/proc/self/cwd").exists():
        return
    if listens(layout.socket) or _somebody_works_in(layout.cluster):
        return
    pid_file.unlink(missing_ok=True)
    layout.socket.unlink(missing_ok=True)
    layout.socket.with_name(f"{layout.socket.name}.lock").unlink(missing_ok=True)


def _somebody_works_in(folder: Path) -> bool:
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                return True
        except OSError:  # ended meanwhile, a zombie, or another user's
            continue
    return False


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))

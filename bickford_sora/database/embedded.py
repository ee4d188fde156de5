"""The embedded PostgreSQL server, shared by every process that uses one data folder."""

import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import structlog

from bickford_sora.database import guardian
from bickford_sora.database.binaries import SYSTEM_DIR, Binaries, candidate_folders, choose_binaries, reachable_by
from bickford_sora.database.cluster import cluster_major, create_cluster
from bickford_sora.database.errors import FolderOwnerError, ServerBusyError, ServerStartError
from bickford_sora.database.layout import Layout, prepare_data_dir, prepare_socket_folder
from bickford_sora.database.locks import FileLock
from bickford_sora.database.serveruser import choose_server_user, require_reachable
from ledger.keepalives import CONNECT_TIMEOUT_S

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 75.0  # above the guardian's own fast and immediate stop together
LOG_TAIL_LINES = 15
_POLL_INTERVAL_S = 0.02

_log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """One process's use of the server of a data folder; `url` is its address for libpq.

    Holding it keeps the server running; when no process holds it any more, closed or killed, the guardian stops the
    server. A forked child does not hold its parent's use and must acquire its own.
    """

    def __init__(self, layout: Layout, use: FileLock) -> None:
        self.url = layout.url
        self._layout = layout
        self._use = use

    @classmethod
    def acquire(
        cls, data_dir: Path, *, start_timeout_s: float = START_TIMEOUT_S, system_dir: Path = SYSTEM_DIR
    ) -> Self:
        """Use the server of `data_dir`; create and start it if need be, and wait until it answers.

        Args:
            data_dir: the data folder (see `layout`), created when missing.
            start_timeout_s: for how long to wait for other processes and for the server, which may have to recover.
            system_dir: where root puts a copy of PostgreSQL's programs if the server's user cannot reach them.

        Raises:
            BinariesError: PostgreSQL is not installed, or not in the version the data need.
            FolderError: a folder belongs to somebody else or is closed to the server's user.
            ServerError: it did not start; the message holds the end of its log.
        """
        deadline = time.monotonic() + start_timeout_s
        layout, use = _held(data_dir, deadline)
        try:
            _start_until_answering(layout, system_dir, deadline)
        except BaseException:
            use.release()
            raise
        return cls(layout, use)

    @classmethod
    def hold(cls, data_dir: Path, *, start_timeout_s: float = START_TIMEOUT_S) -> Self:
        """Use the server of `data_dir` and leave it to others to start it: once it runs, it is kept.

        Raises:
            FolderError: a folder belongs to somebody else.
            ServerError: others did not finish stopping it in time.
        """
        return cls(*_held(data_dir, time.monotonic() + start_timeout_s))

    def close(self) -> None:
        """End this use. The last user waits until the server has stopped. May be repeated."""
        if self._use.closed:
            return
        was_last = self._use.try_exclusive()
        self._use.release()
        if was_last and self._layout.data_dir.exists():  # removed under us, it has no lock left to wait for
            _wait_for_stop(self._layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _held(data_dir: Path, deadline: float) -> tuple[Layout, FileLock]:
    layout = prepare_data_dir(data_dir)
    use = _open_use(layout)
    try:
        # Shared from here to close(): no guardian can begin to stop the server. One that is stopping it now holds the
        # lock until it is done, and we wait.
        _wait_for(use.try_shared, deadline, layout.users_lock)
    except BaseException:
        use.release()
        raise
    return layout, use


def _open_use(layout: Layout) -> FileLock:
    try:
        return FileLock.open(layout.users_lock)
    except PermissionError as error:
        raise FolderOwnerError(
            f"{layout.users_lock} was made by another user. Run as that user, or choose another BICKFORD_DATA_DIR."
        ) from error


def _start_until_answering(layout: Layout, system_dir: Path, deadline: float) -> None:
    own_guardian: subprocess.Popen[bytes] | None = None
    problem = "it was not tried"
    while time.monotonic() < deadline:
        if own_guardian is None:  # somebody else's: it may be killed while we wait
            own_guardian = _ensure_guardian(layout, system_dir, deadline)
        elif own_guardian.poll() is not None:
            raise _start_error(layout, "it exited while starting")
        try:
            with psycopg.connect(layout.url, connect_timeout=CONNECT_TIMEOUT_S):
                return
        except psycopg.OperationalError as error:
            problem = str(error).strip()
        time.sleep(_POLL_INTERVAL_S)
    raise _start_error(layout, f"it did not answer in time ({problem})")


def _ensure_guardian(layout: Layout, system_dir: Path, deadline: float) -> subprocess.Popen[bytes] | None:
    """Start a guardian unless there is one; return the one we started.

    Killed while holding the start lock: the next process removes what `create_cluster` left and does it again.
    """
    start_lock = FileLock.open(layout.start_lock)
    guardian_lock = FileLock.open(layout.guardian_lock)
    try:
        _wait_for(start_lock.try_exclusive, deadline, layout.start_lock)
        if not guardian_lock.try_exclusive():
            return None
        return _start_guardian(layout, system_dir, start_lock, guardian_lock)
    finally:
        guardian_lock.leave()  # the guardian has its own copy, and with it the lock
        start_lock.release()


def _start_guardian(
    layout: Layout, system_dir: Path, start_lock: FileLock, guardian_lock: FileLock
) -> subprocess.Popen[bytes]:
    user = choose_server_user(layout.cluster)
    require_reachable(layout.data_dir, user)
    major = cluster_major(layout)
    binaries = reachable_by(user, choose_binaries(list(candidate_folders()), cluster_major=major), system_dir)
    if major is None:
        create_cluster(layout, binaries, user, start_lock)
    prepare_socket_folder(layout, user)
    command = guardian.command(layout, binaries, user, guardian_lock)
    process = _detach(command, layout.log, guardian_lock)
    _log.info("embedded_postgres_starting", data_dir=str(layout.data_dir), version=_version(binaries), user=user.name)
    return process


def _detach(command: list[str], log_path: Path, guardian_lock: FileLock) -> subprocess.Popen[bytes]:
    """Start the guardian in a session of its own, out of reach of Ctrl-C; it inherits nothing but its lock."""
    with log_path.open("ab") as log:
        log_path.chmod(0o600)  # statements may be in it
        process = subprocess.Popen(  # noqa: S603 - our own program and arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[guardian_lock.fileno()],
            cwd=Path(__file__).parents[2],  # `-m` finds the package from here, installed or not
        )
    # It outlives this call and perhaps this process; if it ends first it must not stay as a zombie.
    threading.Thread(target=process.wait, name="guardian-reaper", daemon=True).start()
    return process


def _wait_for_stop(layout: Layout) -> None:
    """Wait until the guardian has gone, or somebody else uses the server."""
    began = time.monotonic()
    users = FileLock.open(layout.users_lock)
    try:
        while _guardian_lives(layout):
            if time.monotonic() - began > STOP_TIMEOUT_S:
                _log.warning("embedded_postgres_still_stopping", log=str(layout.log))
                return
            if users.try_exclusive():
                users.unlock()  # nobody uses it: the guardian has not looked yet
            elif users.try_shared():
                return
            time.sleep(_POLL_INTERVAL_S)
    finally:
        users.release()


def _guardian_lives(layout: Layout) -> bool:
    """Whether a guardian holds its lock, or somebody is starting one.

    Asked under the start lock: the look itself holds the guardian's lock for a moment, and a starter that saw it held
    would do without a guardian.
    """
    start_lock, guardian_lock = FileLock.open(layout.start_lock), FileLock.open(layout.guardian_lock)
    try:
        return not (start_lock.try_exclusive() and guardian_lock.try_exclusive())
    finally:
        guardian_lock.release()
        start_lock.release()


def _wait_for(try_lock: Callable[[], bool], deadline: float, path: Path) -> None:
    while not try_lock():
        if time.monotonic() > deadline:
            raise ServerBusyError(
                f"Another process still holds {path}: it is creating, starting or stopping the server. "
                "Try again; `fuser` on that file names the process."
            )
        time.sleep(_POLL_INTERVAL_S)


def _start_error(layout: Layout, reason: str) -> ServerStartError:
    tail = ""
    if layout.log.exists():
        with layout.log.open(encoding="utf-8", errors="replace") as log:
            tail = "".join(deque(log, LOG_TAIL_LINES))
    return ServerStartError(
        f"PostgreSQL for {layout.data_dir} did not start: {reason}. "
        f"Read {layout.log}, mend the cause and start again; after a crash it may only need a longer timeout.\n{tail}"
    )


def _version(binaries: Binaries) -> str:
    return f"{binaries.major}.{binaries.minor}"

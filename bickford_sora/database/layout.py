"""Where the embedded server keeps its things.

```
DATA_DIR/
  postgres/              the cluster (PGDATA), 0700, the server user's
  run/                   the socket, 0700, the server user's
  postgres.log           what the server and its guardian say
  postgres.lock          held shared by every process that uses the server
  postgres.start.lock    held by the one process that creates or starts it
  postgres.guardian.lock held by the guardian
```
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bickford_sora.database.errors import FolderOwnerError, SocketFolderUnsafeError
from bickford_sora.database.serveruser import ServerUser

PORT = 5432  # only part of the socket's file name; nothing listens on TCP
SUPERUSER = "bickford"
# sun_path holds 104 bytes on macOS and the BSDs, 108 on Linux, both with the closing zero byte.
SOCKET_PATH_BYTES_MAX = 103
SHORT_FOLDER_PARENT = Path("/tmp")  # nosec B108  # noqa: S108 - the folder made in it is checked, see prepare_socket_folder
PRIVATE_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one embedded server; `data_dir` is resolved, so that every process derives the same ones."""

    data_dir: Path

    @property
    def cluster(self) -> Path:
        """Return PGDATA."""
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        """Return the server's log file."""
        return self.data_dir / "postgres.log"

    @property
    def users_lock(self) -> Path:
        """Return the lock file its users share."""
        return self.data_dir / "postgres.lock"

    @property
    def start_lock(self) -> Path:
        """Return the lock file of who creates or starts it."""
        return self.data_dir / "postgres.start.lock"

    @property
    def guardian_lock(self) -> Path:
        """Return the lock file of the guardian."""
        return self.data_dir / "postgres.guardian.lock"

    @property
    def socket_folder(self) -> Path:
        """Return the folder of the socket: in the data folder, unless that makes too long a path for a socket."""
        usual = self.data_dir / "run"
        if len(os.fsencode(_socket_in(usual))) <= SOCKET_PATH_BYTES_MAX:
            return usual
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return SHORT_FOLDER_PARENT / f"bickford-sora-{digest}"

    @property
    def socket(self) -> Path:
        """Return the socket the server listens on."""
        return _socket_in(self.socket_folder)

    @property
    def url(self) -> str:
        """Return the address of the server for libpq."""
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(self.socket_folder), safe='')}&port={PORT}"


def prepare_data_dir(data_dir: Path) -> Layout:
    """Create the data folder if need be and return its layout.

    A folder we create is private, except when we are root: then the server's user must pass through it to reach
    `postgres/`, so it is 0711 (pass, but not list), and what is secret in it (keys, assets) has to lie in folders that
    are 0700 themselves. A folder that exists keeps its mode, and so do all folders above it.

    Raises:
        FolderOwnerError: it cannot be created or written to.
    """
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        _make_folder(data_dir, mode=0o711 if os.geteuid() == 0 else PRIVATE_MODE)
    except OSError as error:
        raise FolderOwnerError(
            f"The data folder {data_dir} cannot be created ({error.strerror}). Choose another BICKFORD_DATA_DIR."
        ) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise FolderOwnerError(
            f"The data folder {data_dir} cannot be written to by user {os.geteuid()}. "
            "Run as its owner, or choose another BICKFORD_DATA_DIR."
        )
    return Layout(data_dir.resolve())


def prepare_socket_folder(layout: Layout, user: ServerUser) -> None:
    """Create the socket's folder, or check that the existing one is the server user's alone.

    Whoever owned the folder could put a server of their own there, and authentication is the folder's mode. In /tmp
    anybody may create a folder of that name first; then it is refused.

    Raises:
        SocketFolderUnsafeError: it is a link, not a folder, or somebody else's.
    """
    folder = layout.socket_folder
    _make_folder(folder, mode=PRIVATE_MODE)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _unsafe(folder, user) from error
    try:  # through the descriptor: the path could be exchanged between the check and the change
        if os.fstat(fd).st_uid not in {user.user_id, os.geteuid()}:
            raise _unsafe(folder, user)
        os.fchmod(fd, PRIVATE_MODE)
        user.give(fd)
    finally:
        os.close(fd)


def _unsafe(folder: Path, user: ServerUser) -> SocketFolderUnsafeError:
    return SocketFolderUnsafeError(
        f"{folder} is not a folder of user {user.name!r}, so whoever made it could answer in the server's place. "
        "Remove it, or choose a shorter BICKFORD_DATA_DIR."
    )


def _make_folder(folder: Path, *, mode: int) -> None:
    try:
        folder.mkdir(mode=PRIVATE_MODE)
    except FileExistsError:
        return
    folder.chmod(mode)  # mkdir's own mode is cut by the umask


def _socket_in(folder: Path) -> Path:
    return folder / f".s.PGSQL.{PORT}"

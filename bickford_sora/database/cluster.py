"""Create a cluster (PGDATA) so that it is whole or absent."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bickford_sora.database.binaries import Binaries
from bickford_sora.database.errors import ClusterCreationError
from bickford_sora.database.layout import SUPERUSER, Layout
from bickford_sora.database.locks import FileLock
from bickford_sora.database.serveruser import ServerUser
from ledger.durable import sync

PARTIAL_PREFIX = "postgres.partial-"
INITDB_TIMEOUT_S = 300.0
# Nothing of our environment reaches the server: PGPORT, PGDATA, LANG and others would change what it does.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def cluster_major(layout: Layout) -> int | None:
    """Return the major version of PostgreSQL that made the cluster, None when there is no cluster."""
    version_file = layout.cluster / "PG_VERSION"
    return int(version_file.read_text("ascii")) if version_file.exists() else None


def create_cluster(layout: Layout, binaries: Binaries, user: ServerUser, start_lock: FileLock) -> None:
    """Create the cluster; the caller holds the start lock.

    `initdb` works in a folder of its own, which is renamed when complete: a killed one leaves no half cluster, only a
    partial folder that the next attempt removes. `initdb` is handed the start lock, so that the next attempt waits if
    only we are killed and it still writes there.

    Raises:
        ClusterCreationError: `initdb` failed; the message holds what it said.
    """
    for abandoned in layout.data_dir.glob(f"{PARTIAL_PREFIX}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=layout.data_dir))  # 0700
    fd = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        user.give(fd)
        _run_initdb(partial, binaries, user, start_lock)
        partial.rename(layout.cluster)
    finally:
        os.close(fd)
        shutil.rmtree(partial, ignore_errors=True)  # gone already when renamed
    sync(layout.data_dir)  # the rename, too


def _run_initdb(folder: Path, binaries: Binaries, user: ServerUser, start_lock: FileLock) -> None:
    arguments = ["-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--data-checksums", "--auth=trust", "--no-instructions"]
    try:
        subprocess.run(  # noqa: S603 - our own program and arguments
            [binaries.initdb, "-D", folder, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=INITDB_TIMEOUT_S,
            cwd="/",
            env=ENVIRONMENT,
            pass_fds=[start_lock.fileno()],
            **user.identity(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "output", None) or str(error)
        raise ClusterCreationError(
            f"{binaries.initdb} could not create {folder.parent}/postgres: {said.strip()}\n"
            "Check free space and permissions of that folder and start again; nothing was left behind."
        ) from error

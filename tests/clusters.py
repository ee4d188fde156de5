"""A database cluster that is made once for a run, and copied for each test that wants one of its own."""

import fcntl
import subprocess
import tempfile
from pathlib import Path

from bickford_sora.database.embedded import EmbeddedPostgres


def copy_cluster(data_dir: Path) -> None:
    """Make a data folder with a cluster that was never used; that takes a twentieth of what making one takes."""
    made = Path(tempfile.gettempdir()) / "bickford-made"  # of the run: its processes share the folder
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        if not (made / "data" / "postgres").exists():
            made.mkdir(mode=0o711, exist_ok=True)
            EmbeddedPostgres.acquire(made / "data").close()
    # Not shutil: as root the copy has to keep its owners.
    subprocess.run(["cp", "-a", made / "data", data_dir], check=True)  # noqa: S607 - our own folders

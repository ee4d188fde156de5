"""Downloads that a killed process left behind do not stay."""

import subprocess
import sys
from pathlib import Path

from bickford_sora.workers.spool import spool_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from bickford_sora.workers.spool import spool_folder
with spool_folder(Path(sys.argv[1]), "killed") as folder:
    (folder / "video").write_bytes(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_downloading_is_removed_at_the_next_start(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert (tmp_path / "killed" / "video").exists()
    with spool_folder(tmp_path, "next") as folder:
        assert sorted(tmp_path.iterdir()) == [folder, tmp_path / "next.lock"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_process_is_downloading_stays(tmp_path: Path) -> None:
    with spool_folder(tmp_path, "first") as first:
        (first / "video").write_bytes(b"half of it")
        with spool_folder(tmp_path, "second"):
            assert (first / "video").exists()
        assert (first / "video").exists()


def test_what_a_process_of_the_same_name_left_without_its_lock_is_removed(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / "video").write_bytes(b"written by a thread while it ended")
    with spool_folder(tmp_path, "same") as folder:
        assert list(folder.iterdir()) == []

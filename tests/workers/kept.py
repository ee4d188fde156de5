"""A server and its background without a ledger: `python -m tests.workers.kept FOLDER [fail]`, for tests of processes.

The background writes who it is into FOLDER/background and waits; with `fail` it also tells of a failure. The server
prints every problem it is told of, and stops when its standard input ends.
"""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from bickford_sora.background_process import BackgroundProcess
from bickford_sora.settings import RendererSettings
from bickford_sora.telemetry import configure_logging
from bickford_sora.workers.watch import Watch


def main(folder: Path, *, fails: bool) -> None:
    """Runs until standard input ends."""
    configure_logging()

    def run(renderers: Sequence[RendererSettings], stop: threading.Event, watch: Watch) -> None:
        if fails:
            watch.note("projector", "ValueError")
        written = folder / ".background"
        written.write_text(f"{os.getpid()} {os.getppid()} {os.nice(0)} {','.join(each.name for each in renderers)}")
        written.rename(folder / "background")
        stop.wait()
        (folder / "finished").touch()

    background = BackgroundProcess(run)

    def tell(name: str, error: str) -> None:
        sys.stdout.write(f"{name}: {error}\n")
        sys.stdout.flush()

    renderer = RendererSettings(name="openai", base_url="http://127.0.0.1:9", credential="c", api_key="k")
    with background.running([renderer], Watch(tell)):
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), fails="fail" in sys.argv)

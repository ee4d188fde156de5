"""`bickford-sora worker`, which also stops when its standard input ends: however the demo dies, it leaves no worker."""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Runs the command in this process."""
    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()
    sys.argv[1:] = ["worker"]
    runpy.run_module("bickford_sora", run_name="__main__", alter_sys=True)


def _stop_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

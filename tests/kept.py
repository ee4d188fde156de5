"""A keeper of two processes without a ledger: `python -m tests.kept FOLDER [MODE]`, for tests of processes.

Each writes into FOLDER, under its name, who it is, and waits; the server answers connections to the port that is in
FOLDER/port with its number, and adds what it hears to FOLDER/heard. Who finished says so in FOLDER/finished. MODE:
`refuses`: the server fails before it is ready; `hangs`: it is never ready; `falls`: the background dies as soon as it
is started; `stays`: the server does not stop when it is told to.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from bickford_sora.http.serving import bind
from bickford_sora.keeper import Keeper, Part
from bickford_sora.lifeline import Lifeline
from bickford_sora.telemetry import configure_logging


class Kept:
    """What the two do."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.folder = folder
        self.mode = mode
        self.bound = bind("127.0.0.1", 0)
        self.add("port", str(self.bound.getsockname()[1]))

    def add(self, name: str, line: str) -> None:
        """A line at the end of a file."""
        with (self.folder / name).open("a") as file:
            file.write(line + "\n")

    def serve(self, lifeline: Lifeline) -> None:
        """The server: answers who it is."""
        self.add("server", f"{os.getpid()} {os.nice(0)}")
        lifeline.hear(lambda name, error: self.add("heard", f"{name}: {error}"))
        if self.mode == "refuses":
            raise ValueError("it cannot")
        if self.mode == "hangs":
            time.sleep(60)
        self.bound.listen()
        self.bound.settimeout(0.02)
        lifeline.ready()
        while self.mode == "stays" or not lifeline.stop.is_set():
            self._answer()
        self.add("finished", "server")

    def _answer(self) -> None:
        try:
            connection, _ = self.bound.accept()
        except TimeoutError:
            return
        with connection:
            connection.sendall(str(os.getpid()).encode())
            connection.shutdown(socket.SHUT_WR)

    def work(self, lifeline: Lifeline) -> None:
        """The background: waits."""
        self.add("background", f"{os.getpid()} {os.nice(0)} {time.monotonic()}")
        if self.mode == "falls":
            os._exit(3)
        lifeline.ready()
        lifeline.tell("projector", "ValueError")
        lifeline.stop.wait()
        self.add("finished", "background")


def main(folder: Path, mode: str) -> int:
    """Runs until it is told to stop."""
    configure_logging(json=True)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests started by nohup(1) would have left it ignored
    kept = Kept(folder, mode)
    parts = [Part("server", kept.serve, listening=kept.bound), Part("background", kept.work, niceness=5)]
    return Keeper(parts, complain=lambda error: sys.stdout.write(f"never: {error}\n")).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))

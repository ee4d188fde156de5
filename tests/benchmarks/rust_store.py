"""UmaDB, an event store written in Rust, as a writer of the same decisions. A dependency of the benchmark alone.

Its server runs in a process of its own on an empty file, and syncs before it answers, as ours does. All threads share
one client, with which it appends twice as much as with one each. The condition is the one our head of 0 states: nothing
of this stream may be there yet. It keeps no time, tenant or correlation and checks no heads of streams that are only
read; making and encoding the facts is the same.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.envelope import Decision
from ledger.mapper import encode
from tests.benchmarks.servers import free_port

START_S_MAX = 10.0
ABSENT = "umadb is not installed: pip install 'bickford-sora[benchmarks]' where there is a wheel for the platform"
_SERVER = "import sys, umadb; umadb.run_server_from_args(sys.argv)"


def is_installed() -> bool:
    """Whether there is something to measure."""
    return importlib.util.find_spec("umadb") is not None


@contextmanager
def rust_store() -> Iterator[Callable[[Decision], object]]:
    """A function that appends a decision."""
    import umadb  # noqa: PLC0415 - not everybody has it

    with _server() as address, umadb.Client(address) as client:

        def append(decision: Decision) -> object:
            stream = decision.events[0].stream
            unwritten = umadb.AppendCondition(umadb.Query([umadb.QueryItem(tags=[stream])]))
            return client.append(
                [
                    umadb.Event(each.fact.TYPE, encode(each.fact), tags=[each.stream], uuid=each.event_id)
                    for each in decision.events
                ],
                unwritten,
            )

        yield append


@contextmanager
def _server() -> Iterator[str]:
    import umadb  # noqa: PLC0415 - as above

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="bickford-bench-umadb-") as folder:
        command = [sys.executable, "-c", _SERVER, "--listen", f"127.0.0.1:{port}", "--db-path", folder]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(lambda: umadb.Client(address).head())
            yield address
        finally:
            process.terminate()
            process.wait(10)


def _wait(answers: Callable[[], object]) -> None:
    gives_up_at = time.monotonic() + START_S_MAX
    while True:
        try:
            answers()
        except Exception:
            if time.monotonic() > gives_up_at:
                raise
            time.sleep(0.05)
        else:
            return

"""Where the story plays: a simulator, the gateway's HTTP server, and worker processes that can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bickford_sora.callers import load_or_make_api_key
from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.composition.books import PROJECTIONS, Books, keys_folder, open_books
from bickford_sora.composition.gateway import Gateway, compose
from bickford_sora.composition.house import house
from bickford_sora.database.layout import prepare_data_dir
from bickford_sora.database.locks import FileLock
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import ServerThread
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from projections.rebuild import Rebuild

WEBHOOK_SECRET = "whsec_ZGVtbyBzZWNyZXQsIG5vdCBhIHNlY3JldCBhdCBhbGw="  # nosec B105  # noqa: S105 - both ends are ours, for a minute
MODEL = "sora-2"
SECONDS = "4"
TOO_LONG_SECONDS = "12"
"""At the price list's 0.10 USD a second more than a dollar."""
SIZE = "1280x720"
RENDER_TIME_S = 3.0
STOP_S = 20.0
SETTINGS = ("BICKFORD_", "OPENAI_")
"""How the names of our settings begin."""

_WORKER_TIMES = {
    "BICKFORD_SUBMIT_TIMEOUT_S": "8",
    "BICKFORD_RECONCILE_GRACE_S": "0.5",
    "BICKFORD_LEASE_S": "3",
    "BICKFORD_POLL_INTERVAL_S": "0.5",
    "BICKFORD_RETRY_AFTER_MAX_S": "2",
}
"""A story that takes half a minute cannot wait for leases and deadlines meant for hours."""


class StageTaken(Exception):  # noqa: N818 - it says what happened
    """Another demo plays in this folder."""


class Workers:
    """One worker process at a time: `bickford-sora worker`, as anybody starts it."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._environment = _environment(settings)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts a worker process."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bickford_sora.demo.worker_process"],
                env=self._environment,
                stdin=subprocess.PIPE,  # closed by our end, whatever ends us
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is finished, nothing is cleaned up."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            _close(self._process)

    def stop(self) -> None:
        """SIGTERM, and waits for what was begun."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
            _close(self._process)
        except subprocess.TimeoutExpired:
            self.kill()


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the story uses."""

    books: Books
    gateway: Gateway
    simulator: SimulatorServer
    workers: Workers
    client: BickfordClient
    url: str
    folder: Path
    began: float
    """When the stage began to be built, by the monotonic clock."""


@contextmanager
def set_stage(data_dir: Path) -> Iterator[Stage]:
    """Builds the stage in this folder, and takes it down again. Of the environment's settings it minds none.

    Raises StageTaken, and bickford_sora.database.errors.DatabaseSetupError when the folder cannot be used.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        _take(data_dir, stack)
        simulator = stack.enter_context(SimulatorServer(SimulatorSettings(render_time_s=RENDER_TIME_S, frame_rate=12)))
        settings = _settings(data_dir, simulator.url)
        books = stack.enter_context(open_books(settings))
        if stale := books.projector.ensure():  # the folder is from another version
            Rebuild(books.ledger, books.pool, PROJECTIONS).rebuild(*stale)
        gateway = compose(books, settings.renderers(), stack)
        key = load_or_make_api_key(keys_folder(settings) / "api.key", settings).secret
        server = stack.enter_context(ServerThread(create_app(house(gateway, key))))
        simulator.simulator.webhooks.send_to(url=f"{server.url}/webhooks/openai", secret=WEBHOOK_SECRET)
        workers = Workers(settings, data_dir / "worker.log")
        stack.callback(workers.stop)
        client = stack.enter_context(BickfordClient(base_url=f"{server.url}/v1", api_key=key.get_secret_value()))
        yield Stage(books, gateway, simulator, workers, client, server.url, data_dir, began)


def _take(folder: Path, stack: ExitStack) -> None:
    """Makes the folder this process's own: another demo's worker would take up our renders for its own renderer."""
    prepare_data_dir(folder)
    lock = FileLock.open(folder / "demo.lock")
    stack.callback(lock.release)
    if not lock.try_exclusive():
        raise StageTaken


def _settings(data_dir: Path, simulator_url: str) -> Settings:
    return Settings(
        data_dir=data_dir,
        database_url=None,
        master_key=None,
        api_key=None,
        api_keys=None,
        models=(MODEL,),
        seconds=(SECONDS, TOO_LONG_SECONDS),
        sizes=(SIZE,),
        render_cost_max_micro=None,
        openai_base_url=simulator_url,
        openai_api_key=SecretStr("sk-simulator"),
        openai_webhook_secret=SecretStr(WEBHOOK_SECRET),
    )


def _environment(settings: Settings) -> dict[str, str]:
    """A worker's environment: this process's without its settings, which may name a database in use elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTINGS)}
    own = {
        "BICKFORD_DATA_DIR": str(settings.data_dir),
        "BICKFORD_WORKERS": "4",
        "OPENAI_BASE_URL": settings.openai_base_url or "",
        "OPENAI_API_KEY": settings.openai_api_key.get_secret_value() if settings.openai_api_key else "",
        "OPENAI_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    return {**kept, **_WORKER_TIMES, **own}

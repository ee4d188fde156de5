"""Where the story plays: a simulator, the gateway's HTTP server, and worker processes that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bickford_sora.callers import load_or_make_api_key
from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.composition import Books, Gateway, compose, house, keys_folder, open_books
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import ServerThread
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings

WEBHOOK_SECRET = "whsec_ZGVtbyBzZWNyZXQsIG5vdCBhIHNlY3JldCBhdCBhbGw="  # noqa: S105 - both ends are ours, for a minute
RENDER_TIME_S = 3.0
STOP_S = 20.0

_WORKER_TIMES = {
    "BICKFORD_SUBMIT_TIMEOUT_S": "5",
    "BICKFORD_RECONCILE_GRACE_S": "0.5",
    "BICKFORD_LEASE_S": "3",
    "BICKFORD_POLL_INTERVAL_S": "0.5",
    "BICKFORD_RETRY_AFTER_MAX_S": "2",
}
"""A story that takes half a minute cannot wait for leases and deadlines meant for hours."""


class Workers:
    """One worker process at a time, as `bickford-sora worker` starts it."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._environment = _environment(settings)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts a worker process."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bickford_sora", "worker"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is finished, nothing is cleaned up."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and waits for what was begun."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()


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


@contextmanager
def set_stage(settings: Settings) -> Iterator[Stage]:
    """Builds the stage in the settings' data folder, and takes it down again."""
    with ExitStack() as stack:
        simulator = stack.enter_context(SimulatorServer(SimulatorSettings(render_time_s=RENDER_TIME_S, frame_rate=12)))
        settings = settings.model_copy(
            update={
                "openai_base_url": simulator.url,
                "openai_api_key": SecretStr("sk-simulator"),
                "openai_webhook_secret": SecretStr(WEBHOOK_SECRET),
            }
        )
        books = stack.enter_context(open_books(settings))
        gateway = compose(books, settings.renderers(), stack)
        key = load_or_make_api_key(keys_folder(settings) / "api.key", settings).secret
        server = stack.enter_context(ServerThread(create_app(house(gateway, settings.renderers(), key))))
        simulator.simulator.webhooks.send_to(url=f"{server.url}/webhooks/openai", secret=WEBHOOK_SECRET)
        workers = Workers(settings, settings.data_dir / "worker.log")
        stack.callback(workers.stop)
        client = stack.enter_context(BickfordClient(base_url=f"{server.url}/v1", api_key=key.get_secret_value()))
        yield Stage(books, gateway, simulator, workers, client, server.url, settings.data_dir)


def _environment(settings: Settings) -> dict[str, str]:
    """A worker's environment: this process's, with the stage's renderer and times."""
    own = {
        "BICKFORD_DATA_DIR": str(settings.data_dir),
        "BICKFORD_WORKERS": "4",
        "OPENAI_BASE_URL": settings.openai_base_url or "",
        "OPENAI_API_KEY": settings.openai_api_key.get_secret_value() if settings.openai_api_key else "",
        "OPENAI_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    return {**os.environ, **_WORKER_TIMES, **own}

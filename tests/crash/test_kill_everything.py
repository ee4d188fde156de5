"""kill -9 of the whole program in the middle of its renders: nothing accepted is lost, nothing is paid twice."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from bickford_sora.simulator.faults import Fault, FaultKind

SIZE = "128x96"
KEY = "bk_live_only-for-this-test"
RENDERS = 6
WAIT_S = 60.0


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bickford-crash-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder, "data")


@pytest.fixture
def simulator() -> Iterator[SimulatorServer]:
    with SimulatorServer(SimulatorSettings(render_time_s=1.5, frame_rate=4, seconds=("1",), sizes=(SIZE,))) as server:
        yield server


class Gateway:
    """`bickford-sora serve` as a process of its own, with the embedded database."""

    def __init__(self, data_dir: Path, simulator: SimulatorServer) -> None:
        self.log = data_dir.parent / "serve.log"
        self.port = free_port()
        self.environment = {
            **os.environ,
            "BICKFORD_DATA_DIR": str(data_dir),
            "BICKFORD_API_KEY": KEY,
            "BICKFORD_SECONDS": "1",
            "BICKFORD_SIZES": SIZE,
            "BICKFORD_SUBMIT_TIMEOUT_S": "1",
            "BICKFORD_RECONCILE_GRACE_S": "0.2",
            "BICKFORD_LEASE_S": "2",
            "BICKFORD_POLL_INTERVAL_S": "0.2",
            "OPENAI_BASE_URL": simulator.url,
            "OPENAI_API_KEY": "sk-simulator",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bickford_sora", "serve", "--port", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + WAIT_S
        while not self.ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def client(self) -> BickfordClient:
        return BickfordClient(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=KEY)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killing_the_whole_program_loses_nothing_and_pays_nothing_twice(
    data_dir: Path, simulator: SimulatorServer
) -> None:
    gateway = Gateway(data_dir, simulator)
    gateway.start()
    # Some answers of the renderer come after the kill: their jobs exist and nobody here knows of them.
    simulator.simulator.faults.add(Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=1.0, times=2))
    with gateway.client() as client:
        accepted = [client.create_sora_video_job(f"render number {number}").id for number in range(RENDERS)]
        wait_for(lambda: len(simulator.simulator.registry.billed()) >= RENDERS // 2)
    gateway.kill()
    gateway.start()
    with gateway.client() as client:
        for video_id in accepted:
            video = client.poll_sora_video_job(video_id, timeout_s=WAIT_S)
            assert video.status == "completed", gateway.log.read_text()
    assert gateway.stop() == 0
    prompts = [line.prompt for line in simulator.simulator.registry.billed()]
    assert sorted(prompts) == sorted(f"render number {number}" for number in range(RENDERS))


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)

"""Two servers, two workers and two databases, as on as many machines: one is paused, another one dies."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest

from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from bickford_sora.simulator.faults import Fault, FaultKind
from tests.cli.commands import Process, environment, first_line, reachable_folder, running
from tests.crash.cluster import Pair, replicated_pair
from tests.database.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("machines"), pytest.mark.timeout(600)]

KEY = "bk_live_only-for-this-test"
SIZE = "128x96"
LEASE_S = 1.5
WAIT_S = 60.0
BEGUN = "SELECT 1 FROM ledger.events WHERE type = 'render.submission_started' LIMIT 1"
OUTAGE_S = 1.5
"""How long there is no primary. Requests wait for longer than that."""
LATE_S = 0.2
"""An answer of before the death may be noted as late as this."""


@dataclass
class Town:
    """Processes that share nothing but a database, a folder of assets and a renderer."""

    pair: Pair
    simulator: SimulatorServer
    servers: list[str]
    clients: list[httpx.Client]
    """One of each server."""
    workers: list[Process]

    def client(self, server: int = 0) -> BickfordClient:
        """A client of one of the servers."""
        return BickfordClient(base_url=f"{self.servers[server]}/v1", api_key=KEY)

    def asking(self, server: int) -> "Asking":
        """A client that notes what it is answered."""
        return Asking(self.clients[server], f"client {server}")

    def billed(self) -> Counter[str]:
        """How often the renderer was paid for each prompt."""
        return Counter(line.prompt for line in self.simulator.simulator.registry.billed())


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    small = SimulatorSettings(render_time_s=0.5, frame_rate=4, seconds=("1",), sizes=(SIZE,))
    with ExitStack() as stack:
        folder = stack.enter_context(reachable_folder())
        pair = stack.enter_context(replicated_pair())
        simulator = stack.enter_context(SimulatorServer(small))
        given = {
            "BICKFORD_DATABASE_URL": pair.url,
            "BICKFORD_API_KEY": KEY,
            "BICKFORD_SECONDS": "1",
            "BICKFORD_SIZES": SIZE,
            "BICKFORD_SUBMIT_TIMEOUT_S": "1",
            "BICKFORD_RECONCILE_GRACE_S": "0.2",
            "BICKFORD_LEASE_S": str(LEASE_S),
            "BICKFORD_POLL_INTERVAL_S": "0.2",
            "OPENAI_BASE_URL": simulator.url,
            "OPENAI_API_KEY": "sk-simulator",
        }
        known = environment(folder / "data", given)
        servers = [
            stack.enter_context(running(known, folder / f"server{each}.log", "serve", "--no-workers", "--port", "0"))
            for each in range(2)
        ]
        addresses = [first_line(each).split(" at ")[1].split("/v1")[0] for each in servers]
        clients = [stack.enter_context(httpx.Client(base_url=each, timeout=WAIT_S)) for each in addresses]
        workers = [stack.enter_context(running(known, folder / f"worker{each}.log", "worker")) for each in range(2)]
        for each in workers:
            assert first_line(each).startswith("Working with ")
        yield Town(pair, simulator, addresses, clients, workers)
        for each in (*servers, *workers):
            each.kill()  # their database is gone


def test_a_worker_that_was_paused_beyond_its_leases_wakes_up_and_does_no_harm(town: Town) -> None:
    # Answers that come late keep both workers in the middle of a submission.
    town.simulator.simulator.faults.add(Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=0.5, times=4))
    paused = town.workers[0]
    with town.client() as client:
        with psycopg.connect(town.pair.url, autocommit=True) as reading:
            asked = {client.create_sora_video_job(f"paused {number}").id: f"paused {number}" for number in range(8)}
            # It is stopped, if it can be met there, between its record and its request.
            while reading.execute(BEGUN).fetchone() is None:
                pass
        paused.send_signal(signal.SIGSTOP)
        for video_id in asked:
            assert client.poll_sora_video_job(video_id, timeout_s=WAIT_S).status == "completed"
        paused.send_signal(signal.SIGCONT)
        time.sleep(LEASE_S)  # what it had begun, it ends now, and says so to a ledger that has moved on
        after = client.create_sora_video_job("after the pause").id
        assert client.poll_sora_video_job(after, timeout_s=WAIT_S).status == "completed"
        for video_id in asked:
            assert client.poll_sora_video_job(video_id).status == "completed"
    assert paused.poll() is None
    assert {prompt: town.billed()[prompt] for prompt in asked.values()} == dict.fromkeys(asked.values(), 1)


@dataclass
class Asking:
    """One client that creates as long as it is let, and notes every answer. It repeats nothing."""

    client: httpx.Client
    name: str
    answers: list[tuple[float, int, Any]] = field(default_factory=list)
    """When it was answered, the status, and the body."""

    def run(self, done: threading.Event) -> None:
        """Creates until it is told to stop."""
        while not done.wait(0.05):
            self.ask()

    def ask(self) -> None:
        """One create."""
        prompt = f"{self.name} {len(self.answers)}"
        body = {"prompt": prompt, "model": "sora-2", "seconds": "1", "size": SIZE}
        headers = {"authorization": f"Bearer {KEY}", "idempotency-key": prompt}
        answer = self.client.post("/v1/videos", json=body, headers=headers)
        self.answers.append((time.monotonic(), answer.status_code, answer.json()))
        if answer.status_code != httpx.codes.OK:
            assert int(answer.headers["retry-after"]) > 0


def test_when_the_primary_dies_requests_wait_for_the_standby_and_nothing_acknowledged_is_lost(town: Town) -> None:
    done = threading.Event()
    clients = [town.asking(number) for number in range(len(town.servers))]
    threads = [threading.Thread(target=each.run, args=(done,)) for each in clients]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: all(len(each.answers) >= 5 for each in clients), timeout_s=WAIT_S)
    town.pair.primary.kill()
    died_at = time.monotonic()
    time.sleep(OUTAGE_S)
    promoted_at = time.monotonic()
    town.pair.standby.promote()
    assert wait_until(lambda: all(served_since(each, promoted_at) >= 5 for each in clients), timeout_s=WAIT_S)
    done.set()
    for thread in threads:
        thread.join()

    statuses = Counter(status for each in clients for _, status, _ in each.answers)
    assert set(statuses) <= {200, 503}, statuses
    answered_without = [
        at
        for each in clients
        for at, status, _ in each.answers
        if status == 200 and died_at + LATE_S < at < promoted_at
    ]
    assert not answered_without
    accepted = {body["id"]: body["prompt"] for each in clients for _, status, body in each.answers if status == 200}
    with town.client(1) as client:
        for video_id in accepted:
            assert client.poll_sora_video_job(video_id, timeout_s=WAIT_S).status == "completed"
    billed = town.billed()
    assert {prompt: billed[prompt] for prompt in accepted.values()} == dict.fromkeys(accepted.values(), 1)
    assert max(billed.values()) == 1


def served_since(client: Asking, moment: float) -> int:
    return sum(1 for at, status, _ in client.answers if at >= moment and status == httpx.codes.OK)


def test_without_a_database_nothing_is_acknowledged(town: Town) -> None:
    town.pair.primary.kill()
    town.pair.standby.kill()
    asking = town.asking(0)
    assert asking.client.get("/healthz").status_code == 200  # it runs, and need not be started again
    assert asking.client.get("/readyz").status_code == 503  # and should get no requests
    asking.ask()
    status, body = asking.answers[0][1:]
    assert (status, body["error"]["code"]) == (503, "ledger_unavailable")

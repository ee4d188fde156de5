"""A standby that had fallen behind is promoted: the end of the ledger is gone, and everything goes on without it."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bickford_sora.client.synchronous import BickfordClient
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from tests.cli.commands import environment, first_line, reachable_folder, running
from tests.crash.cluster import Pair, replicated_pair
from tests.database.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("machines"), pytest.mark.timeout(600)]

KEY = "bk_live_only-for-this-test"
SIZE = "128x96"
WAIT_S = 60.0
LOST = 5


@dataclass
class Town:
    """A server with its background, and two databases, of which the second follows the first until it does not."""

    pair: Pair
    url: str
    log: Path

    def client(self) -> BickfordClient:
        return BickfordClient(base_url=f"{self.url}/v1", api_key=KEY)

    def logged(self, event: str) -> list[dict[str, object]]:
        """The lines of the log that tell of this."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def town() -> Iterator[Town]:
    small = SimulatorSettings(render_time_s=0.2, frame_rate=4, seconds=("1",), sizes=(SIZE,))
    with ExitStack() as stack:
        folder = stack.enter_context(reachable_folder())
        pair = stack.enter_context(replicated_pair(is_synchronous=False))
        simulator = stack.enter_context(SimulatorServer(small))
        given = {
            "BICKFORD_DATABASE_URL": pair.url,
            "BICKFORD_API_KEY": KEY,
            "BICKFORD_SECONDS": "1",
            "BICKFORD_SIZES": SIZE,
            "BICKFORD_POLL_INTERVAL_S": "0.2",
            "BICKFORD_LOG_JSON": "true",
            "OPENAI_BASE_URL": simulator.url,
            "OPENAI_API_KEY": "sk-simulator",
        }
        log = folder / "server.log"
        server = stack.enter_context(running(environment(folder / "data", given), log, "serve", "--port", "0"))
        yield Town(pair, first_line(server).split(" at ")[1].split("/v1")[0], log)
        server.kill()


def test_after_a_failover_that_lost_facts_processes_forget_them_and_go_on(town: Town) -> None:
    with town.client() as client:
        kept = client.create_sora_video_job("kept").id
        assert client.poll_sora_video_job(kept, timeout_s=WAIT_S).status == "completed"
        head = town.pair.primary.ask("select max(position) from ledger.events")
        assert wait_until(lambda: _head(town) >= head, timeout_s=WAIT_S)
        town.pair.standby.stop_receiving()
        lost = [client.create_sora_video_job(f"lost {number}").id for number in range(LOST)]
        for video_id in lost:
            assert client.poll_sora_video_job(video_id, timeout_s=WAIT_S).status == "completed"
    town.pair.primary.kill()
    town.pair.standby.promote()

    # Each money was reserved for, on a head that never was.
    made = [_created(town.url, f"after {number}") for number in range(2)]
    with town.client() as client:
        for video_id in (kept, *made):
            assert client.poll_sora_video_job(video_id, timeout_s=WAIT_S).status == "completed"
    for video_id in lost:
        assert httpx.get(f"{town.url}/v1/videos/{video_id}", headers=_HEADERS).status_code == 404
    said = town.logged("ledger_lost_facts")
    assert 1 <= len(said) <= 4
    assert all(line["known_position"] > line["head"] for line in said)  # type: ignore[operator]
    died = {line["process"] for line in town.logged("process_died")}
    assert died == {"server", "background"}


_HEADERS = {"authorization": f"Bearer {KEY}"}


def _head(town: Town) -> int:
    return int(str(town.pair.standby.ask("select max(position) from ledger.events")))


def _created(url: str, prompt: str) -> str:
    """As a client does it that repeats what was not answered with success."""
    body = {"prompt": prompt, "model": "sora-2", "seconds": "1", "size": SIZE}
    gives_up_at = time.monotonic() + WAIT_S
    while time.monotonic() < gives_up_at:
        try:
            answer = httpx.post(
                f"{url}/v1/videos", json=body, headers={**_HEADERS, "idempotency-key": prompt}, timeout=WAIT_S
            )
        except httpx.HTTPError:
            continue
        if answer.status_code == httpx.codes.OK:
            return str(answer.json()["id"])
        time.sleep(0.1)
    raise AssertionError(f"not served within {WAIT_S} s: {answer.text}")

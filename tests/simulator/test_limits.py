"""How many jobs a simulator works on, and what is said beyond that."""

from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from bickford_sora.simulator import SimulatorServer

from .peer import KEY, SMALL, Peer, wait_until

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora API is scheduled to permanently shut down:DeprecationWarning",
)
ASKED: dict[str, Any] = {"prompt": "A kite", **SMALL}
Start = Callable[..., SimulatorServer]


def test_more_jobs_under_way_than_allowed_are_refused_as_a_rate_limit(start: Start) -> None:
    server = start(in_flight_max=2, render_time_s=30)
    with OpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
        first = client.videos.create(**ASKED)
        client.videos.create(**ASKED)
        with pytest.raises(openai.RateLimitError, match="Rate limit") as refused:
            client.videos.create(**ASKED)
        assert refused.value.response.headers["retry-after"] == "1"
        assert len(server.simulator.registry.billed()) == 2
        client.videos.delete(first.id)
        assert client.videos.create(**ASKED).status == "queued"


def test_a_finished_job_makes_room_for_the_next(start: Start, http: httpx.Client) -> None:
    peer = Peer(start(in_flight_max=1), http)
    for _ in range(3):
        peer.made()
    assert (peer.bill()["billed"], peer.bill()["in_flight"]) == (3, 0)


@pytest.mark.parametrize(("flavour", "stops"), [("vllm_omni", True), ("sglang", False), ("fastvideo", False)])
def test_a_deleted_job_may_be_worked_on_nevertheless(
    start: Start, http: httpx.Client, flavour: str, *, stops: bool
) -> None:
    peer = Peer(start(flavour=flavour, in_flight_max=1, render_time_s=0.5), http)
    job_id = peer.create()["id"]
    assert peer.call("DELETE", f"/videos/{job_id}").status_code == 200
    assert peer.get(f"/videos/{job_id}").status_code == 404
    assert peer.bill()["in_flight"] == (0 if stops else 1)
    assert peer.form(prompt="A kite", **SMALL).status_code == (200 if stops else 429)


def test_work_on_a_deleted_job_ends_at_last(start: Start, http: httpx.Client) -> None:
    peer = Peer(start(flavour="sglang", in_flight_max=1, render_time_s=0.1), http)
    peer.call("DELETE", f"/videos/{peer.create()['id']}")
    wait_until(lambda: peer.bill()["in_flight"] == 0)
    assert peer.made()["status"] == "completed"

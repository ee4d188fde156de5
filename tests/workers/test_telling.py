"""A client that registers an endpoint and asks for a video hears of it: everything real but the renderer."""

import time
from collections.abc import Iterator

import pytest
from openai import OpenAI

from bickford_sora.composition.books import PROJECTIONS
from bickford_sora.simulator import SimulatorSettings
from projections.rebuild import Rebuild
from tests.gateways import KEY, RunningGateway, running_gateway
from tests.simulator.receiver import WebhookReceiver

SIZE = "128x96"
SIMULATED = SimulatorSettings(render_time_s=0.2, frame_rate=4, seconds=("1",), sizes=(SIZE,))
QUIET_S = 1.0
"""How long is waited for what must not come."""


@pytest.fixture
def running(server_url: str) -> Iterator[RunningGateway]:
    with running_gateway(
        server_url,
        SIMULATED,
        seconds=("1",),
        sizes=(SIZE,),
        poll_interval_s=0.1,
        allow_private_addresses=("127.0.0.1",),
    ) as running:
        yield running


def test_a_client_hears_of_its_video_and_can_download_it_at_once(running: RunningGateway) -> None:
    with (
        WebhookReceiver() as receiver,
        OpenAI(base_url=running.api_url, api_key=KEY, max_retries=0) as client,
    ):
        endpoint = client.webhooks.create(event_types=["video.completed"], name="ours", url=receiver.url)
        receiver.answers = [503]
        receiver.answer_headers = {"retry-after": "0"}
        video = client.videos.create(prompt="a red kite", seconds="1", size=SIZE)  # type: ignore[arg-type]
        told = receiver.wait_for(2)  # the first time it was busy; the second comes 5 s later
        for each in told:
            event = client.webhooks.unwrap(each.body, each.headers, secret=endpoint.signing_secret)
            assert (str(event.type), event.data.id) == ("video.completed", video.id)  # type: ignore[union-attr]
        assert told[0].webhook_id == told[1].webhook_id
        assert client.videos.download_content(video.id).read()[4:8] == b"ftyp"

        books = running.gateway.books
        Rebuild(books.ledger, books.pool, PROJECTIONS).rebuild()
        time.sleep(QUIET_S)
        assert len(receiver.received) == 2
        (delivery,) = client.get(
            f"/webhook_endpoints/{endpoint.id}/deliveries", cast_to=dict[str, list[dict[str, object]]]
        )["data"]
        assert (delivery["status"], delivery["attempts"], delivery["status_code"]) == ("delivered", 2, 200)

"""The promise of an Idempotency-Key where it is hardest: many clients at once, a real server, a real database."""

import anyio
import httpx

from bickford_sora.simulator import SimulatorSettings
from tests.gateways import KEY, running_gateway

CLIENTS = 200


def test_two_hundred_creates_at_once_with_one_key_make_one_render(server_url: str) -> None:
    answers: list[httpx.Response] = []

    async def create(client: httpx.AsyncClient) -> None:
        body = {"prompt": "A calm sea", "seconds": "1", "size": "128x96"}
        answers.append(await client.post("/videos", json=body, headers={"Idempotency-Key": "race"}))

    async def race(url: str) -> None:
        limits = httpx.Limits(max_connections=CLIENTS)
        headers = {"authorization": f"Bearer {KEY}"}
        client = httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60)
        async with client, anyio.create_task_group() as together:
            for _ in range(CLIENTS):
                together.start_soon(create, client)

    simulated = SimulatorSettings(render_time_s=0.1, frame_rate=4, seconds=("1",), sizes=("128x96",))
    with running_gateway(server_url, simulated, seconds=("1",), sizes=("128x96",)) as running:
        anyio.run(race, running.api_url)
        facts = [event.fact.TYPE for event in running.gateway.books.ledger.read(0)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert facts.count("render.intent") == facts.count("idempotency.bound") == 1

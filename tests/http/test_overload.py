"""More than the process takes on: it says so, and does nothing for it."""

from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from bickford_sora.decisions.caller import Caller
from bickford_sora.errors import TooManyRequests
from bickford_sora.http.app import create_app
from bickford_sora.http.gate import Burden, Gate
from bickford_sora.http.tide import Tide
from bickford_sora.queue_room import FRESH_S, QueueRoom
from tests.http.houses import Kit

CALLER = Caller("main", "alpha", "req-1", "key_1")
OTHER = Caller("main", "beta", "req-2", "key_2")


def small(kit: Kit, **limits: int) -> Any:
    """The application, with lower limits."""
    return create_app(replace(kit.house, limits=replace(kit.house.limits, **limits)))


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = anyio.Event()

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        self.begun += 1
        if scope["path"] == "/slow":
            await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def test_more_requests_at_a_time_than_may_be_are_told_to_come_back_and_health_is_answered() -> None:
    async def flood() -> tuple[list[int], httpx.Response, int, int]:
        slow = Slow()
        transport = httpx.ASGITransport(Gate(slow, Burden(requests_max=2)))
        statuses: list[int] = []
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:

            async def ask() -> None:
                statuses.append((await client.get("/slow")).status_code)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                tasks.start_soon(ask)
                while slow.begun < 2:
                    await anyio.lowlevel.checkpoint()
                refused = await client.get("/v1/videos")
                health = (await client.get("/healthz")).status_code
                slow.go_on.set()
            after = (await client.get("/v1/videos")).status_code
        return statuses, refused, health, after

    statuses, refused, health, after = anyio.run(flood)
    assert (statuses, health, after) == ([200, 200], 200, 200)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "overloaded"


def test_more_bytes_of_bodies_than_may_be_held_are_refused_and_given_back(kit: Kit) -> None:
    kit.app = small(kit, bodies_bytes_max=2_000)
    answer = kit.request("POST", "/v1/videos", json={"prompt": "a" * 3_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-request-id"]
    for _ in range(5):
        assert kit.request("POST", "/v1/videos", json={"prompt": "a" * 1_000}).status_code == 200


@pytest.mark.parametrize(
    ("limits", "of_what"),
    [
        ({"project_renders_max": 2}, "2 renders of this project"),
        ({"tenant_renders_max": 3}, "3 renders of this tenant"),
        ({"renders_max": 3}, "3 renders wait"),
    ],
)
def test_a_queue_that_is_full_takes_nothing_more_until_something_has_started(
    limits: dict[str, int], of_what: str
) -> None:
    waiting = {("main", "alpha"): 1, ("main", "beta"): 1}
    now = [100.0]
    room = QueueRoom(lambda: waiting, monotonic=lambda: now[0], **limits)
    room.take(CALLER)
    with pytest.raises(TooManyRequests) as refused:
        room.take(CALLER)
    assert "rate limit" in refused.value.message
    assert of_what in refused.value.message
    assert refused.value.headers["retry-after"] == "10"
    now[0] += FRESH_S + 1
    room.take(CALLER)


def test_a_full_queue_of_one_project_is_not_anothers() -> None:
    room = QueueRoom(lambda: {("main", "alpha"): 5}, project_renders_max=5)
    with pytest.raises(TooManyRequests):
        room.take(CALLER)
    room.take(OTHER)


def test_a_tenant_that_fills_its_queue_with_many_projects_leaves_room_for_another() -> None:
    waiting = {("acme", f"project-{number}"): 1 for number in range(5)}
    room = QueueRoom(lambda: waiting, project_renders_max=5, tenant_renders_max=6, renders_max=10)
    room.take(Caller("acme", "project-0", "req-3", "key_3"))
    with pytest.raises(TooManyRequests, match="6 renders of this tenant"):
        room.take(Caller("acme", "project-9", "req-3", "key_3"))
    for _ in range(4):
        room.take(CALLER)
    with pytest.raises(TooManyRequests, match="10 renders wait"):
        room.take(OTHER)


def test_a_full_queue_is_told_over_http_and_binds_nothing(kit: Kit) -> None:
    room = QueueRoom(lambda: {("main", "alpha"): 1}, project_renders_max=1)
    object.__setattr__(kit.house.intake._desk, "take_place", room.take)
    object.__setattr__(kit.house.intake._making._desk, "take_place", room.take)
    head = kit.ledger.head()
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A kite"}, headers={"idempotency-key": "k1"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (429, "queue_full")
    assert "rate limit" in error["message"]
    assert answer.headers["retry-after"] == "10"
    assert kit.ledger.head() == head


def test_one_key_has_no_more_streams_than_its_share() -> None:
    tide = Tide(lambda: 0, streams_max=3, streams_per_key_max=1)
    with tide.stream("key_1"):
        with pytest.raises(TooManyRequests):
            tide.check_room("key_1")
        tide.check_room("key_2")
        with tide.stream("key_2"), tide.stream("key_3"), pytest.raises(TooManyRequests):
            tide.check_room("key_4")
    tide.check_room("key_1")

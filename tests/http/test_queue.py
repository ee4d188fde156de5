import threading
import time
from collections.abc import Mapping
from datetime import timedelta

import anyio
import httpx

from bickford_sora.http.house import QUEUE_LOOKS_MAX
from bickford_sora.queueing import Queueing
from ledger.events import RenderSubmissionRefused, RenderSubmissionStarted
from projections.queue import Counter, Waiting
from tests.http.folded_queue import FoldedQueue
from tests.http.houses import KEY, OTHER_KEY, ROOT_KEY, Kit


def test_a_project_sees_its_own_renders_and_counts_of_others(kit: Kit) -> None:
    ours, theirs = kit.create(), kit.create(key=OTHER_KEY)
    answer = kit.request("GET", "/v1/queue").json()
    assert [(each["video_id"], each["place"], each["reason"]) for each in answer["data"]] == [(ours, 1, "next")]
    assert [each["waiting"] for each in answer["renderers"]] == [2]
    other = kit.request("GET", "/v1/queue", key=OTHER_KEY).json()
    assert [(each["video_id"], each["place"]) for each in other["data"]] == [(theirs, 2)]
    assert {each["video_id"] for each in kit.request("GET", "/v1/queue", key=ROOT_KEY).json()["data"]} == {ours, theirs}


def test_one_video_is_asked_for_by_its_id(kit: Kit) -> None:
    kit.create()
    second = kit.create()
    answer = kit.request("GET", f"/v1/queue?video_id={second}").json()
    assert [(each["video_id"], each["place"]) for each in answer["data"]] == [(second, 2)]
    assert kit.request("GET", f"/v1/queue?video_id={second}", key=OTHER_KEY).json()["data"] == []


def test_what_was_refused_for_now_says_until_when(kit: Kit) -> None:
    video_id = kit.create()
    retry_at = kit.clock.now + timedelta(seconds=90)
    started = RenderSubmissionStarted(
        attempt=1,
        renderer="openai",
        credential="main",
        replica="http://one",
        fingerprint="ab" * 32,
        deadline_at=retry_at,
    )
    kit.record(video_id, started)
    kit.record(video_id, RenderSubmissionRefused(attempt=1, code="busy", retry_at=retry_at))
    (each,) = kit.request("GET", "/v1/queue").json()["data"]
    assert (each["reason"], each["not_before"]) == ("postponed", int(retry_at.timestamp()) + 1)


class Closed(FoldedQueue):
    """As it is while nothing is handed over."""

    closed: str | None = None
    in_flight = 3

    def counters(self) -> list[Counter]:
        return [Counter(each.renderer, self.in_flight, 3, 1, 1, self.closed) for each in super().counters()]


def test_the_reason_is_the_renderers_when_it_is_closed_or_full(kit: Kit) -> None:
    kit.create()
    query = Closed(kit.ledger)
    object.__setattr__(kit.house, "queueing", Queueing(query, dict, kit.clock))
    reasons = []
    for query.closed in ("renderer_stopped", "rate_limited", "replicas_unreachable", None):
        reasons.append(kit.request("GET", "/v1/queue", key=KEY).json()["data"][0]["reason"])
    assert reasons == ["renderer_stopped", "rate_limited", "replicas_unreachable", "renderer_full"]


class Slow(FoldedQueue):
    """As it is while very many wait."""

    at_a_time = most_at_a_time = 0
    lock = threading.Lock()

    def waiting(
        self, tenant: str, project: str | None, video_id: str | None, weights: Mapping[str, int], limit: int
    ) -> list[Waiting]:
        with self.lock:
            self.at_a_time += 1
            self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        time.sleep(0.02)
        with self.lock:
            self.at_a_time -= 1
        return super().waiting(tenant, project, video_id, weights, limit)


def test_who_asks_for_the_queue_very_often_does_not_fill_the_database_with_it(kit: Kit) -> None:
    video_id = kit.create()
    query = Slow(kit.ledger)
    object.__setattr__(kit.house, "queueing", Queueing(query, dict, kit.clock))
    answers: list[httpx.Response] = []

    async def ask_often() -> None:
        transport = httpx.ASGITransport(kit.app)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://house", headers=headers) as client:

            async def ask() -> None:
                answers.append(await client.get("/v1/queue"))

            async with anyio.create_task_group() as group:
                for _ in range(4 * QUEUE_LOOKS_MAX):
                    group.start_soon(ask)

    anyio.run(ask_often)
    assert [each.json()["data"][0]["video_id"] for each in answers] == [video_id] * 4 * QUEUE_LOOKS_MAX
    assert query.most_at_a_time == QUEUE_LOOKS_MAX

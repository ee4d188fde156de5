"""A request sent again: with a key it is one render for ever; without, only when nobody was told of the first."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import openai
import pytest

from bickford_sora.decisions.policy import Policy, Refusal, built_in
from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.http.serving import ServerThread
from ledger.events import Verdict
from tests.http.films import mp4
from tests.http.houses import KEY, OTHER_KEY, Kit, error_of, make_kit

REPEATED = "bickford-repeated"
AGAIN = {"x-stainless-retry-count": "1"}
BODY = {"prompt": "A calm sea"}
WAIT_S = 60.0


def told(kit: Kit, kind: str) -> list[str]:
    """Video ids of the facts of this kind."""
    return [
        event.fact.model_dump()["video_id"] for event in kit.ledger.read(0, limit=10_000) if kind == event.fact.TYPE
    ]


def renders(kit: Kit) -> list[str]:
    return told(kit, "render.intent")


@dataclass
class Gone:
    """A client without a socket that hangs up: as the body's end is read, or when it is answered."""

    app: Any
    hangs_up: str
    sent: list[dict[str, Any]] = field(default_factory=list)

    def post(self, path: str, body: object, headers: dict[str, str] | None = None, key: str = KEY) -> None:
        """One POST that nobody waits for."""
        named = {"authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {})}
        raw = [(name.encode(), value.encode()) for name, value in named.items()]
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "method": "POST", "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": raw, "client": ("127.0.0.1", 1), "server": ("house", 80), "root_path": "",
        }  # fmt: skip
        incoming: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps(body).encode()}]

        async def receive() -> dict[str, Any]:
            if incoming:
                return incoming.pop(0)
            if self.hangs_up == "before":
                return {"type": "http.disconnect"}
            await anyio.sleep_forever()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            if self.hangs_up == "while answered":
                raise OSError("connection lost")
            self.sent.append(message)

        async def run() -> None:
            await self.app(scope, receive, send)

        try:
            anyio.run(run)
        except OSError:
            assert self.hangs_up == "while answered"


@pytest.mark.parametrize("hangs_up", ["before", "while answered"])
def test_an_answer_that_found_nobody_is_given_to_the_repetition_once(kit: Kit, hangs_up: str) -> None:
    Gone(kit.app, hangs_up).post("/v1/videos", BODY)
    (lost,) = renders(kit)
    assert told(kit, "answer.undelivered") == [lost]
    again = kit.request("POST", "/v1/videos", json=BODY, headers=AGAIN)
    assert (again.status_code, again.json()["id"], again.headers[REPEATED]) == (200, lost, lost)
    assert told(kit, "answer.repeated") == [lost]
    another = kit.request("POST", "/v1/videos", json=BODY, headers=AGAIN)
    assert another.json()["id"] != lost
    assert REPEATED not in another.headers
    assert len(renders(kit)) == 2


def test_an_answer_lost_twice_is_given_to_the_repetition_after_that(kit: Kit) -> None:
    Gone(kit.app, "before").post("/v1/videos", BODY)
    Gone(kit.app, "while answered").post("/v1/videos", BODY, {"x-stainless-retry-count": "1"})
    again = kit.request("POST", "/v1/videos", json=BODY, headers={"x-stainless-retry-count": "2"})
    assert [again.json()["id"]] == renders(kit)
    assert told(kit, "answer.undelivered") == renders(kit) * 2


def test_two_deliberate_equal_requests_are_two_renders(kit: Kit) -> None:
    one = kit.request("POST", "/v1/videos", json=BODY).json()["id"]
    # Counted as repeated, as after a 503 of a proxy between us: the first was answered all the same.
    other = kit.request("POST", "/v1/videos", json=BODY, headers=AGAIN)
    assert other.json()["id"] != one
    assert REPEATED not in other.headers
    Gone(kit.app, "before").post("/v1/videos", BODY)
    third = kit.request("POST", "/v1/videos", json=BODY)  # not counted: meant as a new one
    assert third.json()["id"] not in {one, other.json()["id"], *told(kit, "answer.undelivered")}
    assert len(renders(kit)) == 4


def test_two_answers_that_found_nobody_are_two_renders_told_of_one_by_one(kit: Kit) -> None:
    for _ in range(2):
        Gone(kit.app, "before").post("/v1/videos", BODY)
    lost = renders(kit)
    assert [kit.request("POST", "/v1/videos", json=BODY, headers=AGAIN).json()["id"] for _ in range(2)] == lost
    assert renders(kit) == lost


def test_only_the_same_key_with_the_same_words_is_a_repetition(kit: Kit) -> None:
    Gone(kit.app, "before").post("/v1/videos", BODY)
    for more in (
        {"json": {"prompt": "A rough sea"}},
        {"json": {**BODY, "seconds": "8"}},
        {"json": BODY, "key": OTHER_KEY},
        {"json": BODY, "headers": {**AGAIN, "Idempotency-Key": "mine"}},
        {"json": BODY, "headers": {"x-stainless-retry-count": "0"}},
        {"json": BODY, "headers": {"x-stainless-retry-count": "many"}},
        {"json": BODY, "headers": {"x-stainless-retry-count": "9" * 5}},
    ):
        answer = kit.request("POST", "/v1/videos", **{"headers": AGAIN, **more})
        assert answer.json()["id"] not in told(kit, "answer.undelivered")
    assert told(kit, "answer.repeated") == []


def test_an_answer_under_an_idempotency_key_needs_no_record_of_its_loss(kit: Kit) -> None:
    Gone(kit.app, "before").post("/v1/videos", BODY, {"idempotency-key": "mine"})
    assert told(kit, "answer.undelivered") == []
    again = kit.request("POST", "/v1/videos", json=BODY, headers={"Idempotency-Key": "mine"})
    assert [again.json()["id"]] == renders(kit)


def test_a_refusal_that_found_nobody_is_decided_anew() -> None:
    kit = make_kit(policy=built_in(1))
    Gone(kit.app, "before").post("/v1/videos", BODY)
    assert told(kit, "answer.undelivered") == []
    assert error_of(kit.request("POST", "/v1/videos", json=BODY, headers=AGAIN))[0] == 403


def test_repetition_can_be_switched_off() -> None:
    kit = make_kit(repeats_answers=False)
    Gone(kit.app, "before").post("/v1/videos", BODY)
    assert kit.request("POST", "/v1/videos", json=BODY, headers=AGAIN).json()["id"] not in told(
        kit, "answer.undelivered"
    )
    assert (len(renders(kit)), told(kit, "answer.undelivered")) == (2, [])


def routes(kit: Kit) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every route that makes a render, with a body it takes."""
    source, failed = kit.finished(), kit.create()
    kit.fail(failed)
    yield "", BODY
    yield "", {**BODY, "remix_video_id": source}
    yield f"/{source}/remix", BODY
    yield "/edits", {**BODY, "video": {"id": source}}
    yield "/extensions", {**BODY, "video": {"id": source}, "seconds": "8"}
    yield f"/{failed}/retry", {}


def test_every_route_that_makes_a_render_repeats_a_lost_answer(kit: Kit) -> None:
    for path, body in routes(kit):
        before = len(renders(kit))
        Gone(kit.app, "before").post(f"/v1/videos{path}", body)
        again = kit.request("POST", f"/v1/videos{path}", json=body, headers=AGAIN)
        assert again.headers[REPEATED] == renders(kit)[-1]
        assert len(renders(kit)) == before + 1, path


def test_every_route_that_makes_a_render_honours_a_key_and_binds_it_to_itself(kit: Kit) -> None:
    for number, (path, body) in enumerate(routes(kit)):
        request = {"json": body, "headers": {"Idempotency-Key": f"key-{number}"}}
        first = kit.request("POST", f"/v1/videos{path}", **request)
        assert first.status_code == 200, first.text
        head = kit.ledger.head()
        assert kit.request("POST", f"/v1/videos{path}", **request).json() == first.json()
        other = kit.request("POST", "/v1/videos", json={"prompt": "Another"}, headers=request["headers"])
        assert error_of(other) == (422, "invalid_request_error", "Idempotency-Key", "idempotency_key_reused")
        assert other.headers["x-should-retry"] == "false"
        assert kit.ledger.head() == head


def test_a_key_with_an_upload_is_bound_to_its_content_and_not_to_its_boundary(kit: Kit) -> None:
    def edit(film: bytes, name: str) -> httpx.Response:
        files = {"video": (name, film, "video/mp4")}
        return kit.request("POST", "/v1/videos/edits", data=BODY, files=files, headers={"Idempotency-Key": "film"})

    first = edit(mp4(), "a.mp4")
    assert edit(mp4(), "renamed.mp4").json() == first.json()
    assert error_of(edit(mp4(frames=5), "a.mp4"))[::3] == (422, "idempotency_key_reused")
    assert len(renders(kit)) == 1


def test_a_key_answers_after_its_model_is_gone_and_its_source_deleted() -> None:
    stopped = False
    kit = make_kit(is_stopped=lambda *_: stopped)
    source = kit.finished()
    request = {"json": BODY, "headers": {"Idempotency-Key": "mine"}}
    first = kit.request("POST", f"/v1/videos/{source}/remix", **request)
    kit.request("DELETE", f"/v1/videos/{source}")
    stopped = True
    assert kit.request("POST", f"/v1/videos/{source}/remix", **request).json() == first.json()


def test_a_refusal_binds_no_key() -> None:
    stopped = True
    kit = make_kit(is_stopped=lambda *_: stopped)
    request = {"json": BODY, "headers": {"Idempotency-Key": "mine"}}
    assert error_of(kit.request("POST", "/v1/videos", **request))[0] == 503
    stopped = False
    assert kit.request("POST", "/v1/videos", json={"prompt": "Another"}, headers=request["headers"]).status_code == 200


def test_a_thousand_creates_at_once_with_one_key_make_one_render(kit: Kit) -> None:
    answers: set[str] = set()

    async def create(client: httpx.AsyncClient) -> None:
        headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "race"}
        answer = await client.post("/v1/videos", json=BODY, headers=headers)
        assert answer.status_code == 200, answer.text
        answers.add(answer.text)

    async def race() -> None:
        house = httpx.AsyncClient(transport=httpx.ASGITransport(kit.app), base_url="http://house")
        async with house as client, anyio.create_task_group() as together:
            for _ in range(1_000):
                together.start_soon(create, client)

    anyio.run(race)
    assert len(answers) == 1
    facts = [event.fact.TYPE for event in kit.ledger.read(0)]
    assert facts == ["render.intent", "render.allowed", "idempotency.bound", "spend.reserved"]


@dataclass(frozen=True)
class Pondering(Policy):
    """A policy that thinks for as long as it is made to."""

    compiled: CompiledPolicy = field(default_factory=lambda: built_in().compiled)
    begun: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def decide(self, seen: Seen, currency: str | None = None) -> tuple[Verdict, Refusal | None]:
        self.begun.set()
        assert self.may_go_on.wait(WAIT_S)
        return super().decide(seen, currency)


def hang_up_while_it_is_decided(url: str, policy: Pondering, body: bytes) -> None:
    """Sends a create as an SDK does, and gives up before it is answered."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
        head = (
            f"POST /v1/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        assert policy.begun.wait(WAIT_S)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_over_a_socket_an_sdk_that_lost_its_connection_gets_the_render_it_made() -> None:
    policy = Pondering()
    kit = make_kit(policy=policy)
    with ServerThread(kit.app) as server:
        hang_up_while_it_is_decided(server.url, policy, json.dumps(BODY).encode())
        policy.may_go_on.set()
        eventually(lambda: told(kit, "answer.undelivered") == renders(kit) != [])
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)
        answer = client.videos.with_raw_response.create(prompt=BODY["prompt"], extra_headers=AGAIN)
    assert [answer.headers[REPEATED]] == renders(kit)


class ImpatientOnce(httpx.HTTPTransport):
    """Loses its patience with the first request, in the middle of the decision."""

    def __init__(self, policy: Pondering) -> None:
        super().__init__()
        self.policy = policy
        self.is_patient = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["trace"] = self._lose_patience
        return super().handle_request(request)

    def _lose_patience(self, name: str, _: dict[str, Any]) -> None:
        if name == "http11.receive_response_headers.started" and not self.is_patient:
            assert self.policy.begun.wait(WAIT_S)
            self.is_patient = True
            raise httpx.ReadTimeout("it took too long")


def test_over_a_socket_a_repetition_waits_for_the_request_it_repeats() -> None:
    """The SDK's own retry: its first try times out while the decision takes long, the second finds its end."""
    policy = Pondering()
    kit = make_kit(policy=policy)
    with (
        ServerThread(kit.app) as server,
        ThreadPoolExecutor(1) as pool,
        httpx.Client(transport=ImpatientOnce(policy)) as http_client,
    ):
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=1, http_client=http_client)
        answer = pool.submit(client.videos.create, prompt=BODY["prompt"])
        eventually(lambda: [len(each) for each in [*kit.house.underway._answering.values()]] == [2])
        policy.may_go_on.set()
        assert [answer.result(WAIT_S).id] == renders(kit)
    assert told(kit, "answer.repeated") == renders(kit)

"""Each fault as its victim sees it, over a real socket."""

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import ValidationError

from bickford_sora.simulator import Fault, FaultKind, Operation, SimulatorServer
from bickford_sora.simulator.faults import FaultPlan

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora API is scheduled to permanently shut down:DeprecationWarning",
)

SMALL: dict[str, Any] = {"seconds": "1", "size": "128x96"}
AUTHORIZED = {"authorization": "Bearer sk-simulator"}


def create(client: OpenAI, prompt: str = "A kite") -> Any:
    return client.videos.create(prompt=prompt, **SMALL)


def append_all(answer: httpx.Response, received: bytearray) -> None:
    for chunk in answer.iter_raw():
        received += chunk


def billed(server: SimulatorServer) -> int:
    return len(server.simulator.registry.billed())


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_refused_create_is_not_billed(untouched: SimulatorServer, status: int, raised: type[Exception]) -> None:
    untouched.simulator.faults.add(Fault(kind=FaultKind.CREATE_STATUS, status=status, retry_after_s=2))
    with (
        OpenAI(api_key="sk-simulator", base_url=untouched.url, max_retries=0) as client,
        pytest.raises(raised) as refused,
    ):
        create(client)
    assert isinstance(refused.value, openai.APIStatusError)
    assert refused.value.response.headers["retry-after"] == "2"
    assert refused.value.code
    assert billed(untouched) == 0


def test_a_fault_strikes_as_often_as_it_was_told(client: OpenAI, server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.CREATE_STATUS, status=503, times=2))
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            create(client)
    assert create(client).status == "queued"
    assert server.simulator.faults.waiting() == []


def test_the_client_s_own_retries_ride_out_a_rate_limit(server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.CREATE_STATUS, status=429, retry_after_s=0))
    with OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=1) as client:
        assert create(client).status == "queued"
    assert billed(server) == 1


def test_a_fault_with_a_marker_strikes_only_that_prompt(client: OpenAI, server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.CREATE_STATUS, status=500, times=None, marker="[doomed]"))
    assert create(client).status == "queued"
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            create(client, "A [doomed] kite")


def test_any_other_call_can_be_refused(client: OpenAI, server: SimulatorServer) -> None:
    video = create(client)
    calls: dict[Operation, Callable[[], Any]] = {
        Operation.RETRIEVE: lambda: client.videos.retrieve(video.id),
        Operation.LIST: client.videos.list,
        Operation.CONTENT: lambda: client.videos.download_content(video.id),
        Operation.DELETE: lambda: client.videos.delete(video.id),
    }
    for operation, call in calls.items():
        server.simulator.faults.add(Fault(kind=FaultKind.READ_STATUS, status=500, operation=operation))
        with pytest.raises(openai.InternalServerError):
            call()
    assert client.videos.retrieve(video.id).id == video.id


def test_latency_delays_the_call(client: OpenAI, server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.LATENCY, operation=Operation.LIST, delay_s=0.3))
    begun = time.monotonic()
    client.videos.list()
    assert time.monotonic() - begun >= 0.3


def test_a_create_that_times_out_for_the_client_is_accepted_and_billed(server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=8))
    with (
        OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=0, timeout=1.5) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        create(client)
    deadline = time.monotonic() + 30
    while billed(server) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert billed(server) == 1


def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_failure_of_the_simulator(
    server: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    head = (
        "POST /v1/videos HTTP/1.1\r\nhost: simulator\r\nauthorization: Bearer sk-simulator\r\n"
        "content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000\r\n\r\n--b\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=60) as connection:
        connection.sendall(head.encode())
        time.sleep(0.2)
    time.sleep(0.3)
    assert "Exception in ASGI application" not in caplog.text
    assert billed(server) == 0


@pytest.mark.parametrize(("kind", "expected"), [(FaultKind.RESET_BEFORE_ACCEPT, 0), (FaultKind.RESET_AFTER_ACCEPT, 1)])
def test_a_reset_is_a_real_tcp_reset(server: SimulatorServer, kind: FaultKind, expected: int) -> None:
    server.simulator.faults.add(Fault(kind=kind))
    body = b'{"prompt":"A kite","seconds":"1","size":"128x96"}'
    head = (
        "POST /v1/videos HTTP/1.1\r\nhost: simulator\r\nauthorization: Bearer sk-simulator\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    port = urlsplit(server.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert billed(server) == expected


def test_after_a_reset_the_accepted_job_is_found_in_the_list(client: OpenAI, server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.RESET_AFTER_ACCEPT))
    with pytest.raises(openai.APIConnectionError):
        create(client)
    (found,) = client.videos.list()
    assert found.prompt == "A kite"
    assert client.videos.poll(found.id).status == "completed"


def test_the_client_s_own_retry_after_a_reset_pays_twice(server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.RESET_AFTER_ACCEPT))
    with OpenAI(api_key="sk-simulator", base_url=server.url, max_retries=1) as client:
        create(client)
    assert billed(server) == 2


def test_a_nonsense_answer_hides_an_accepted_job(server: SimulatorServer, http: httpx.Client) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.NONSENSE_JSON))
    answer = http.post(f"{server.url}/videos", json={"prompt": "A kite", **SMALL}, headers=AUTHORIZED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()
    assert billed(server) == 1


def test_a_job_fails_with_the_moderation_code(client: OpenAI, server: SimulatorServer) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.JOB_FAILS))
    failed = client.videos.poll(create(client).id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "moderation_blocked"
    with pytest.raises(openai.BadRequestError, match="it is failed"):
        client.videos.download_content(failed.id)
    assert billed(server) == 1


@pytest.mark.parametrize(("status", "expected"), [(None, 404), (410, 410)])
def test_an_expired_asset_is_gone_although_its_job_is_completed(
    client: OpenAI, server: SimulatorServer, status: int | None, expected: int
) -> None:
    video = client.videos.poll(create(client).id)
    server.simulator.faults.add(Fault(kind=FaultKind.ASSET_EXPIRED, status=status))
    with pytest.raises(openai.APIStatusError) as gone:
        client.videos.download_content(video.id)
    assert gone.value.status_code == expected
    assert "The video is no longer available. Downloads expire after 1 hours." in gone.value.message
    assert client.videos.retrieve(video.id).status == "completed"


def test_a_truncated_download_breaks_off_short_of_its_content_length(
    client: OpenAI, server: SimulatorServer, http: httpx.Client
) -> None:
    video = client.videos.poll(create(client).id)
    whole = client.videos.download_content(video.id).content
    server.simulator.faults.add(Fault(kind=FaultKind.DOWNLOAD_TRUNCATED))
    received = bytearray()
    with http.stream("GET", f"{server.url}/videos/{video.id}/content", headers=AUTHORIZED) as answer:
        assert int(answer.headers["content-length"]) == len(whole)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            append_all(answer, received)
    assert received == whole[: len(whole) // 2]
    assert client.videos.download_content(video.id).content == whole


def test_a_restart_forgets_every_job_and_keeps_the_bill(
    client: OpenAI, server: SimulatorServer, http: httpx.Client
) -> None:
    video = create(client)
    assert http.post(f"{server.control_url}/restart").status_code == 204
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)
    assert list(client.videos.list()) == []
    assert billed(server) == 1


def test_a_restart_can_happen_just_before_a_call(client: OpenAI, server: SimulatorServer) -> None:
    video = create(client)
    server.simulator.faults.add(Fault(kind=FaultKind.RESTART, operation=Operation.RETRIEVE))
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)


def test_another_process_can_steer_the_faults(client: OpenAI, server: SimulatorServer) -> None:
    with httpx.Client(base_url=server.control_url) as control:
        planned = control.post("/faults", json={"kind": "create_status", "status": 429, "retry_after_s": 2})
        assert planned.status_code == 201
        assert [fault["kind"] for fault in control.get("/faults").json()["faults"]] == ["create_status"]
        with pytest.raises(openai.RateLimitError):
            create(client)
        control.post("/faults", json={"kind": "create_status", "status": 500, "times": None})
        assert control.delete("/faults").status_code == 204
        assert create(client).status == "queued"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "rain"},
        {"kind": "create_status"},
        {"kind": "create_status", "status": 200},
        {"kind": "asset_expired", "operation": "create"},
        {"kind": "latency", "times": 0},
        {"kind": "latency", "colour": "red"},
    ],
)
def test_a_senseless_fault_is_refused(untouched: SimulatorServer, body: dict[str, Any], http: httpx.Client) -> None:
    answer = http.post(f"{untouched.control_url}/faults", json=body)
    assert answer.status_code == 422
    assert untouched.simulator.faults.waiting() == []
    with pytest.raises(ValidationError):
        Fault.model_validate(body)


def strikes(seed: int) -> list[bool]:
    plan = FaultPlan(seed=seed)
    plan.add(Fault(kind=FaultKind.LATENCY, times=None, probability=0.3))
    return [plan.take(FaultKind.LATENCY, Operation.LIST) is not None for _ in range(1_000)]


def test_chance_is_repeatable_by_its_seed() -> None:
    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 230 < sum(strikes(1)) < 370


def test_the_plan_is_bounded() -> None:
    plan = FaultPlan(seed=0)
    for _ in range(1_000):
        plan.add(Fault(kind=FaultKind.LATENCY))
    with pytest.raises(ValueError, match="1000 faults"):
        plan.add(Fault(kind=FaultKind.LATENCY))

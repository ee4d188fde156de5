"""Webhooks as an endpoint receives them."""

import base64
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openai import OpenAI

from bickford_sora.simulator import Fault, FaultKind, SimulatorServer
from bickford_sora.simulator.signatures import standard_signature
from bickford_sora.simulator.webhooks import Delivery

from .receiver import WebhookReceiver

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora API is scheduled to permanently shut down:DeprecationWarning",
)

SMALL: dict[str, Any] = {"seconds": "1", "size": "128x96"}


def create(client: OpenAI, prompt: str = "A kite") -> str:
    return client.videos.create(prompt=prompt, **SMALL).id


def deliveries(server: SimulatorServer, count: int) -> list[Delivery]:
    """The record, once it holds `count` entries: an attempt is recorded just after it was answered."""
    deadline = time.monotonic() + 30
    while len(server.simulator.webhooks.deliveries()) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return server.simulator.webhooks.deliveries()


def test_a_signature_is_that_of_the_specification() -> None:
    # the sample of the Standard Webhooks reference libraries
    signed = standard_signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_is_that_of_the_hosted_api() -> None:
    # the recorded delivery in the openai packages' own webhook tests
    signed = standard_signature(
        "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=",
        webhook_id="wh_685c059ae39c8190af8c71ed1022a24d",
        timestamp=1750861210,
        body=b'{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 1750861210, '
        b'"type": "response.completed", "data": {"id": "resp_123"}}',
    )
    assert signed == "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY="


def test_the_end_of_a_job_is_told_thinly_and_signed(client: OpenAI, told: WebhookReceiver) -> None:
    video_id = create(client)
    (received,) = told.wait_for(1)
    event = told.verify(received)
    assert set(event) == {"id", "object", "created_at", "type", "data"}
    assert (event["object"], event["type"], event["data"]) == ("event", "video.completed", {"id": video_id})
    assert event["id"].startswith("evt_")
    unwrapped = client.webhooks.unwrap(received.body, received.headers, secret=told.secret)
    assert unwrapped.type == "video.completed"


def test_a_failed_job_is_told_too(client: OpenAI, server: SimulatorServer, told: WebhookReceiver) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.JOB_FAILS))
    create(client)
    assert told.verify(told.wait_for(1)[0])["type"] == "video.failed"


def test_what_is_not_answered_2xx_is_sent_again_with_the_same_id(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    told.answers = [500, 302]
    create(client)
    received = told.wait_for(3)
    assert len({one.webhook_id for one in received}) == 1
    assert all(told.is_genuine(one) for one in received)
    record = [(one.attempt, one.outcome, one.status) for one in deliveries(server, 3)]
    assert record == [(1, "refused", 500), (2, "refused", 302), (3, "delivered", 200)]


def test_an_endpoint_that_cannot_be_reached_is_tried_a_few_times(
    start: Callable[..., SimulatorServer], receiver: WebhookReceiver
) -> None:
    server = start(webhook_url="http://127.0.0.1:9/", webhook_secret="a plain secret", webhook_attempts_max=2)
    with OpenAI(api_key="sk-simulator", base_url=server.url) as client:
        create(client)
    assert [one.outcome for one in deliveries(server, 2)] == ["unreachable", "unreachable"]


def test_a_lost_webhook_never_comes_and_is_on_record(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.WEBHOOK_LOST, marker="lost"))
    lost = create(client, "A lost kite")
    client.videos.poll(lost)
    other = create(client)
    (received,) = told.wait_for(1)
    assert told.verify(received)["data"]["id"] == other
    assert [(one.video_id, one.outcome) for one in deliveries(server, 2)] == [(lost, "lost"), (other, "delivered")]


def test_a_duplicated_webhook_comes_twice_with_one_id(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.WEBHOOK_DUPLICATED))
    create(client)
    first, second = told.wait_for(2)
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)


def test_a_delayed_webhook_comes_after_polling_has_seen_the_end(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.WEBHOOK_DELAYED, delay_s=0.8))
    client.videos.poll(create(client))
    assert told.received == []
    assert told.is_genuine(told.wait_for(1)[0])


def test_reordered_webhooks_come_in_the_other_order(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.WEBHOOK_REORDERED, delay_s=10))
    first = create(client)
    client.videos.poll(first)
    second = create(client)
    order = [told.verify(one)["data"]["id"] for one in told.wait_for(2)]
    assert order == [second, first]


def test_a_webhook_held_for_reordering_comes_alone_after_its_delay(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.WEBHOOK_REORDERED, delay_s=0.1))
    create(client)
    assert told.is_genuine(told.wait_for(1)[0])


def test_a_wrongly_signed_webhook_does_not_verify(
    client: OpenAI, server: SimulatorServer, told: WebhookReceiver
) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.WEBHOOK_WRONGLY_SIGNED))
    create(client)
    (received,) = told.wait_for(1)
    assert not told.is_genuine(received)
    assert received.headers["webhook-signature"].startswith("v1,")


def test_a_webhook_can_come_before_the_answer_to_its_create(server: SimulatorServer, told: WebhookReceiver) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=0.4))
    with OpenAI(api_key="sk-simulator", base_url=server.url) as client:
        begun = time.monotonic()
        video_id = create(client)
        assert time.monotonic() - begun >= 0.4
    assert told.verify(told.received[0])["data"]["id"] == video_id


def test_an_answer_can_wait_for_the_webhook_and_no_longer(server: SimulatorServer, told: WebhookReceiver) -> None:
    server.simulator.faults.add(Fault(kind=FaultKind.LATENCY_AFTER_ACCEPT, delay_s=60, until_told=True))
    with OpenAI(api_key="sk-simulator", base_url=server.url, timeout=30, max_retries=0) as client:
        video_id = create(client)
    assert told.verify(told.received[0])["data"]["id"] == video_id


def test_a_deleted_or_forgotten_job_is_not_told(
    start: Callable[..., SimulatorServer], receiver: WebhookReceiver
) -> None:
    server = start(render_time_s=0.8, webhook_url=receiver.url, webhook_secret=receiver.secret)
    with OpenAI(api_key="sk-simulator", base_url=server.url) as client:
        create(client, "forgotten")
        server.simulator.restart()
        client.videos.delete(create(client, "deleted"))
        kept = create(client, "kept")
        receiver.wait_for(1)
    assert [one.video_id for one in deliveries(server, 1)] == [kept]


def test_another_process_can_aim_the_webhooks_and_read_the_record(
    client: OpenAI, server: SimulatorServer, receiver: WebhookReceiver
) -> None:
    with httpx.Client(base_url=server.control_url) as control:
        target = {"url": receiver.url, "secret": receiver.secret}
        assert control.put("/webhook", json=target).status_code == 204
        video_id = create(client)
        receiver.wait_for(1)
        deliveries(server, 1)
        (record,) = control.get("/deliveries").json()["deliveries"]
    assert (record["video_id"], record["type"], record["outcome"]) == (video_id, "video.completed", "delivered")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!"])
def test_a_secret_that_cannot_sign_is_refused(server: SimulatorServer, secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        server.simulator.webhooks.send_to(url="http://127.0.0.1:9/", secret=secret)


def test_a_plain_text_secret_signs_with_its_bytes() -> None:
    as_text = standard_signature("plain", webhook_id="wh_1", timestamp=1, body=b"{}")
    as_base64 = standard_signature(
        "whsec_" + base64.b64encode(b"plain").decode(), webhook_id="wh_1", timestamp=1, body=b"{}"
    )
    assert as_text == as_base64

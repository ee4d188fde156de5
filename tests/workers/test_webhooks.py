"""Webhooks over real HTTP, as the renderer sends them and as it should not: none costs a video, none counts twice."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from bickford_sora import webhook_signatures
from bickford_sora.simulator import SimulatorSettings
from bickford_sora.simulator.faults import Fault, FaultKind
from ledger.clock import system_clock
from ledger.envelope import Event
from ledger.events import JobClaimed, WebhookReceived
from tests.gateways import KEY, WEBHOOK_SECRET, RunningGateway, running_gateway

pytestmark = pytest.mark.xdist_group("webhooks")  # they share a running server

SIZE = "128x96"
SIMULATED = SimulatorSettings(
    render_time_s=1.5, frame_rate=4, seconds=("1",), sizes=(SIZE,), webhook_attempts_max=2, webhook_backoff_s=0.1
)
"""Renders that a busy machine's first question, right after the submission, still finds under way."""
SOON_S = 60.0
"""Much less than the poll interval of `by_webhook`: what ends within it was not polled for."""


@pytest.fixture(scope="module")
def by_webhook(server_url: str) -> Iterator[RunningGateway]:
    """A gateway that is told by webhook alone: it polls once a minute."""
    with running_gateway(server_url, SIMULATED, seconds=("1",), sizes=(SIZE,), poll_interval_s=60.0) as running:
        yield running


@pytest.fixture(scope="module")
def by_poll(server_url: str) -> Iterator[RunningGateway]:
    """A gateway that polls often."""
    with running_gateway(server_url, SIMULATED, seconds=("1",), sizes=(SIZE,), poll_interval_s=0.3) as running:
        yield running


def strike(running: RunningGateway, kind: FaultKind, marker: str, **change: object) -> None:
    running.simulator.simulator.faults.add(Fault.model_validate({"kind": kind, "marker": marker, **change}))


def ask(running: RunningGateway, prompt: str) -> str:
    answer = httpx.post(
        f"{running.api_url}/videos", json={"prompt": prompt}, headers={"authorization": f"Bearer {KEY}"}
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def completed(running: RunningGateway, video_id: str) -> None:
    url, headers = f"{running.api_url}/videos/{video_id}", {"authorization": f"Bearer {KEY}"}
    wait_for(lambda: httpx.get(url, headers=headers).json()["status"] == "completed")


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def job_id(running: RunningGateway, prompt: str) -> str:
    """The simulator's own id of the job with this prompt."""
    billed = [line for line in running.simulator.simulator.registry.billed() if line.prompt == prompt]
    assert len(billed) == 1
    return billed[0].id


def receipts(running: RunningGateway, job: str) -> list[Event]:
    events = running.gateway.books.ledger.read(0, limit=10_000)
    return [each for each in events if isinstance(each.fact, WebhookReceived) and each.fact.job_id == job]


def deliver(running: RunningGateway, job: str, webhook_id: str, *, age_s: float = 0.0) -> httpx.Response:
    """A signed webhook, sent by hand."""
    event = {"id": f"evt_{webhook_id}", "object": "event", "type": "video.completed", "data": {"id": job}}
    body = json.dumps(event).encode()
    sent_at = system_clock() - timedelta(seconds=age_s)
    headers = webhook_signatures.sign(body, webhook_id=webhook_id, sent_at=sent_at, secrets=[WEBHOOK_SECRET])
    return httpx.post(f"{running.url}/webhooks/simulator", content=body, headers=headers)


def test_a_webhook_makes_its_render_end_long_before_the_next_poll(by_webhook: RunningGateway) -> None:
    completed(by_webhook, ask(by_webhook, "told at once"))
    assert len(receipts(by_webhook, job_id(by_webhook, "told at once"))) == 1


def test_a_delayed_webhook_ends_its_render_when_it_comes(by_webhook: RunningGateway) -> None:
    strike(by_webhook, FaultKind.WEBHOOK_DELAYED, "told late", delay_s=1.5)
    asked_at = time.monotonic()
    completed(by_webhook, ask(by_webhook, "told late"))
    assert time.monotonic() - asked_at > SIMULATED.render_time_s + 1.5


def wait_until_told(running: RunningGateway) -> None:
    """Until the webhook of every job so far was taken: one that is sent again later would come between others."""
    simulator = running.simulator.simulator
    wait_for(
        lambda: (
            {line.id for line in simulator.registry.billed()}
            <= {each.video_id for each in simulator.webhooks.deliveries() if each.outcome == "delivered"}
        )
    )


def test_reordered_webhooks_end_both_renders(by_webhook: RunningGateway) -> None:
    wait_until_told(by_webhook)
    strike(by_webhook, FaultKind.WEBHOOK_REORDERED, "first of two", delay_s=10)
    first = ask(by_webhook, "first of two")
    billed = by_webhook.simulator.simulator.registry.billed
    wait_for(lambda: any(line.prompt == "first of two" for line in billed()))
    second = ask(by_webhook, "second of two")
    completed(by_webhook, second)
    completed(by_webhook, first)
    came = [receipts(by_webhook, job_id(by_webhook, f"{each} of two"))[0] for each in ("second", "first")]
    assert (came[0].position or 0) < (came[1].position or 0)


def test_a_webhook_that_comes_before_its_job_is_known_is_kept_and_matched(by_webhook: RunningGateway) -> None:
    prompt = "told before it was claimed"
    strike(by_webhook, FaultKind.LATENCY_AFTER_ACCEPT, prompt, delay_s=5.0, until_told=True)
    completed(by_webhook, ask(by_webhook, prompt))
    job = job_id(by_webhook, prompt)
    facts = by_webhook.gateway.books.ledger.read(0, limit=10_000)
    claim = next(each for each in facts if isinstance(each.fact, JobClaimed) and each.fact.job_id == job)
    (receipt,) = receipts(by_webhook, job)
    assert (receipt.position or 0) < (claim.position or 0)


def test_a_webhook_sent_ten_times_is_one_fact(by_webhook: RunningGateway) -> None:
    strike(by_webhook, FaultKind.WEBHOOK_DUPLICATED, "told twice")
    completed(by_webhook, ask(by_webhook, "told twice"))
    job = job_id(by_webhook, "told twice")
    sent = by_webhook.simulator.simulator.webhooks.deliveries
    wait_for(lambda: sum(each.video_id == job and each.outcome == "delivered" for each in sent()) == 2)
    assert len(receipts(by_webhook, job)) == 1
    answers = [deliver(by_webhook, job, "wh_ten_times") for _ in range(10)]
    assert [each.status_code for each in answers] == [200] * 10
    assert [each.json()["status"] for each in answers] == ["recorded"] + ["duplicate"] * 9
    assert len(receipts(by_webhook, job)) == 2


def test_a_webhook_for_a_job_nobody_knows_is_kept(by_webhook: RunningGateway) -> None:
    assert deliver(by_webhook, "job_of_nobody", "wh_nobody").json() == {"status": "recorded"}
    assert len(receipts(by_webhook, "job_of_nobody")) == 1


@pytest.mark.parametrize("age_s", [310, -310])
def test_a_webhook_of_another_time_is_refused_and_not_recorded(by_webhook: RunningGateway, age_s: int) -> None:
    answer = deliver(by_webhook, "job_of_old", f"wh_old_{age_s}", age_s=age_s)
    assert 400 <= answer.status_code < 500
    assert receipts(by_webhook, "job_of_old") == []


def test_a_lost_webhook_costs_seconds_and_not_the_video(by_poll: RunningGateway) -> None:
    strike(by_poll, FaultKind.WEBHOOK_LOST, "never told")
    completed(by_poll, ask(by_poll, "never told"))
    assert receipts(by_poll, job_id(by_poll, "never told")) == []


def test_a_wrongly_signed_webhook_is_not_recorded_and_the_poll_ends_the_render(by_poll: RunningGateway) -> None:
    strike(by_poll, FaultKind.WEBHOOK_WRONGLY_SIGNED, "told by a stranger")
    completed(by_poll, ask(by_poll, "told by a stranger"))
    job = job_id(by_poll, "told by a stranger")
    sent = by_poll.simulator.simulator.webhooks.deliveries
    wait_for(lambda: sum(each.video_id == job for each in sent()) == SIMULATED.webhook_attempts_max)
    assert {each.status for each in sent() if each.video_id == job} == {401}
    assert receipts(by_poll, job) == []

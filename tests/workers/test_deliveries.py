"""Whoever subscribed is told, once for each thing, whatever dies; and nobody can use us against others or us."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import openai
import pytest
from standardwebhooks.webhooks import Webhook

from bickford_sora import webhook_signatures
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.deliveries import RETRY_PAUSES_S, RETRY_S_MAX
from bickford_sora.endpoints import WithSecret
from bickford_sora.recording import Origin
from bickford_sora.workers.deliver import CALLS_PER_ENDPOINT_MAX
from ledger import events as e
from ledger.clock import system_clock
from ledger.deliveries import State
from ledger.envelope import Fact, Sealed
from ledger.events import DeliveryAttempted, DeliveryGivenUp
from tests.ledger.examples import EXAMPLES
from tests.simulator.receiver import Received, WebhookReceiver
from tests.test_egress import listening, silent, streaming, trickling
from tests.workers.towns import NEIGHBOUR, OWNER, SHA, STORED, Town

VERDICT = e.Verdict(policy_hash=SHA)
MONEY = e.Money(amount_micro=1, currency="USD")


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


def body(received: Received) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(received.body)
    return read


def attempts(town: Town) -> list[DeliveryAttempted]:
    return [event.fact for event in town.ledger.read(0) if isinstance(event.fact, DeliveryAttempted)]


def given_up(town: Town) -> list[str]:
    return [event.fact.reason for event in town.ledger.read(0) if isinstance(event.fact, DeliveryGivenUp)]


def signed_by(received: Received, town: Town, secret: str) -> bool:
    try:
        webhook_signatures.verify(received.body, received.headers, [secret], town.clock.now)
    except webhook_signatures.WebhookSignatureInvalid:
        return False
    return True


# --- what is told ---------------------------------------------------------------------------


def test_a_stored_render_is_told_in_the_protocols_own_words(town: Town, receiver: WebhookReceiver) -> None:
    town.clock.now = system_clock()  # the real clients compare with the real clock
    made = town.subscribe(receiver.url, "video.completed", "video.failed")
    happened_at = int(town.clock.now.timestamp())
    video_id = town.happens(STORED)
    town.tell()
    (told,) = receiver.received
    assert body(told) == {
        "id": body(told)["id"],
        "object": "event",
        "created_at": pytest.approx(happened_at, abs=1),
        "type": "video.completed",
        "data": {"id": video_id},
    }
    assert body(told)["id"].startswith("evt_")
    assert told.headers["content-type"] == "application/json"
    with openai.OpenAI(api_key="x", webhook_secret=made.secret) as client:
        event: Any = client.webhooks.unwrap(told.body, told.headers)
        assert (event.type, event.data.id) == ("video.completed", video_id)
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(told.body.replace(b"video_", b"other_"), told.headers)
    Webhook(made.secret).verify(told.body, told.headers)
    assert town.types() == ["endpoint.created", "delivery.scheduled", "delivery.attempted"]
    assert [(each.attempt, each.http_status, each.delivered, each.code) for each in attempts(town)] == [
        (1, 200, True, None)
    ]
    assert town.due() == []


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (STORED, ["video.completed", "video.stored"]),
        (e.RenderFailed(code="moderation", failed_by="renderer"), ["video.failed"]),
        (e.RenderAssetLost(code="expired"), ["video.failed"]),
        (e.RenderJobLost(job_id="job-1"), ["video.failed"]),
        (e.RenderCancelled(reason="operator"), ["video.failed"]),
        (e.RenderCancelled(reason="deleted"), []),
        (e.RenderDenied(verdict=VERDICT, code="budget", message="too dear"), []),
        (e.RenderCompleted(), []),
        (e.RenderProgress(status="in_progress", progress=50), []),
        (
            e.RenderReviewed(
                verdict="approved", clarity=1, continuity=1, brand_fit=1, review_time_s=9, notes=Sealed("bm90ZXM=")
            ),
            ["video.reviewed"],
        ),
        (e.RenderApprovalRequested(approval_id="a1", verdict=VERDICT), ["approval.requested"]),
    ],
    ids=lambda value: value.TYPE if isinstance(value, Fact) else None,
)
def test_each_fact_is_told_as_what_it_means(town: Town, receiver: WebhookReceiver, fact: Fact, told: list[str]) -> None:
    everything = [
        "video.completed",
        "video.failed",
        "video.stored",
        "video.reviewed",
        "approval.requested",
        "budget.threshold",
    ]
    town.subscribe(receiver.url, *everything)
    video_id = town.happens(fact)
    town.tell()
    bodies = [body(each) for each in receiver.received]
    assert sorted(each["type"] for each in bodies) == told
    assert all(each["data"]["id"] == video_id for each in bodies)
    assert len({each["id"] for each in bodies}) == len(told)
    assert all(b"notes" not in each.body for each in receiver.received)


def test_nobody_is_told_what_they_did_not_subscribe_to(town: Town, receiver: WebhookReceiver) -> None:
    town.subscribe(receiver.url, "video.failed")
    town.happens(STORED)
    town.tell()
    assert receiver.received == []


@pytest.mark.parametrize("link", [None, "https://videos.example/v1/videos/x/content?signature=y"])
def test_a_stored_video_is_told_with_what_is_needed_to_fetch_and_check_it(
    receiver: WebhookReceiver, link: str | None
) -> None:
    asked: list[tuple[str, str, str]] = []

    def make_link(*place: str) -> str | None:
        asked.append(place)  # type: ignore[arg-type]
        return link

    town = Town(link=make_link)
    town.subscribe(receiver.url, "video.stored")
    video_id = town.happens(STORED)
    town.tell()
    expected = {"id": video_id, "sha256": SHA, "bytes": 1_234, "media_type": "video/mp4"}
    assert body(receiver.received[0])["data"] == (expected | {"url": link} if link else expected)
    assert asked == [("main", "films", video_id)]


def test_a_review_is_told_with_its_grades_and_its_score_and_not_who_gave_it(
    town: Town, receiver: WebhookReceiver
) -> None:
    town.subscribe(receiver.url, "video.reviewed")
    said = EXAMPLES["render.reviewed"]
    video_id = town.happens(said)
    town.tell()
    assert body(receiver.received[0])["data"] == {
        "id": video_id,
        "verdict": "approved",
        "clarity": 0.9,
        "continuity": 0.85,
        "brand_fit": 1.0,
        "review_time_s": 42,
        "review_id": "review_1",
        "score": 0.755,
    }


@pytest.mark.parametrize(("scope", "told"), [("project:films", ["films"]), ("tenant", ["films", "games"])])
def test_a_budgets_threshold_is_told_to_those_whose_budget_it_is(town: Town, scope: str, told: list[str]) -> None:
    with WebhookReceiver() as films, WebhookReceiver() as games:
        town.subscribe(films.url, "budget.threshold")
        town.subscribe(games.url, "budget.threshold", caller=NEIGHBOUR)
        town.record(
            "spend:main",
            e.BudgetThreshold(budget_id="b1", scope=scope, percent=80, period="2026-11"),
        )
        town.tell()
        assert [name for name, each in (("films", films), ("games", games)) if each.received] == told
        assert body(films.received[0])["data"] == {"id": "b1", "percent": 80, "period": "2026-11"}


@pytest.mark.parametrize("scope", ["key:key_films", "requester:req-films"])
def test_a_keys_or_requesters_budget_is_told_to_the_project_that_passed_it_alone(town: Town, scope: str) -> None:
    with WebhookReceiver() as films, WebhookReceiver() as games:
        town.subscribe(films.url, "budget.threshold")
        town.subscribe(games.url, "budget.threshold", caller=NEIGHBOUR)
        passed = [e.BudgetThreshold(budget_id="b1", scope=scope, percent=percent) for percent in (50, 80)]
        reserved = e.SpendReserved(video_id="video_1", project="films", key_id="key_films", requester="req-films")
        town.record("spend:main", reserved, *passed)
        town.record("spend:main", e.SpendReserved(video_id="video_2", project="games"))
        town.tell()
        assert games.received == []
        assert sorted(body(each)["data"]["percent"] for each in films.received) == [50, 80]


# --- who is told ----------------------------------------------------------------------------


def test_other_projects_and_tenants_are_told_nothing(town: Town, receiver: WebhookReceiver) -> None:
    town.subscribe(receiver.url, caller=NEIGHBOUR)
    town.subscribe(receiver.url, caller=Caller("other", "films", "req-films", "key_films"))
    town.happens(STORED)
    town.tell()
    assert receiver.received == []
    assert town.deliveries() == []


def test_every_subscriber_of_the_project_is_told_by_an_id_of_its_own(town: Town, receiver: WebhookReceiver) -> None:
    town.subscribe(receiver.url)
    town.subscribe(receiver.url)
    town.happens(STORED)
    town.tell()
    first, second = receiver.received
    assert body(first)["id"] == body(second)["id"]
    assert first.webhook_id != second.webhook_id


def test_an_endpoint_is_not_told_of_what_was_before_it(town: Town, receiver: WebhookReceiver) -> None:
    town.happens(STORED)
    town.subscribe(receiver.url)
    town.tell()
    assert receiver.received == []


def test_an_endpoint_that_was_deleted_or_disabled_is_not_called_any_more(town: Town, receiver: WebhookReceiver) -> None:
    deleted, disabled = town.subscribe(receiver.url), town.subscribe(receiver.url)
    town.happens(STORED)
    assert town.announce.step()
    town.webhooks.delete(OWNER, deleted.endpoint.endpoint_id, origin=Origin("main", "key_films"))
    town.record(disabled.endpoint.stream, e.EndpointDisabled(reason="operator"))
    town.tell()
    assert receiver.received == []
    assert sorted(given_up(town)) == ["endpoint_deleted", "endpoint_disabled"]


# --- signatures -----------------------------------------------------------------------------


def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one(
    town: Town, receiver: WebhookReceiver
) -> None:
    made = town.subscribe(receiver.url)
    new = town.rotate(made, keep_old=True)
    told = _told_now(town, receiver)
    assert (signed_by(told, town, new), signed_by(told, town, made.secret)) == (True, True)
    town.advance(hours=23, minutes=59)
    assert signed_by(_told_now(town, receiver), town, made.secret)
    town.advance(minutes=2)
    told = _told_now(town, receiver)
    assert (signed_by(told, town, new), signed_by(told, town, made.secret)) == (True, False)


def test_a_rotation_that_keeps_nothing_ends_the_old_secret_at_once(town: Town, receiver: WebhookReceiver) -> None:
    made = town.subscribe(receiver.url)
    kept = town.rotate(made, keep_old=True)
    new = town.rotate(made, keep_old=False)
    told = _told_now(town, receiver)
    assert [signed_by(told, town, each) for each in (made.secret, kept, new)] == [False, False, True]


def test_the_real_client_accepts_a_delivery_by_either_secret(town: Town, receiver: WebhookReceiver) -> None:
    town.clock.now = system_clock()
    made = town.subscribe(receiver.url)
    new = town.rotate(made, keep_old=True)
    told = _told_now(town, receiver)
    with openai.OpenAI(api_key="x") as client:
        for secret in (made.secret, new):
            client.webhooks.unwrap(told.body, told.headers, secret=secret)


def _told_now(town: Town, receiver: WebhookReceiver) -> Received:
    town.happens(STORED)
    town.tell()
    return receiver.received[-1]


# --- what the answer means ------------------------------------------------------------------


def test_a_retry_has_the_same_id_and_body_and_a_fresh_timestamp(town: Town, receiver: WebhookReceiver) -> None:
    receiver.answers = [500]
    town.subscribe(receiver.url)
    town.happens(STORED)
    town.tell()
    assert town.due() == []
    town.advance(seconds=5)
    town.tell()
    first, second = receiver.received
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) in (5, 6)
    assert [each.code for each in attempts(town)] == ["http_500", None]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 500])
def test_anything_but_2xx_is_a_failure_and_no_redirect_is_followed(
    town: Town, receiver: WebhookReceiver, status: int
) -> None:
    receiver.answers = [status]
    receiver.answer_headers = {"location": receiver.url}
    town.subscribe(receiver.url)
    town.happens(STORED)
    town.tell()
    assert len(receiver.received) == 1
    (delivery,) = town.deliveries()
    assert (delivery.state, delivery.http_status, delivery.code) == (State.PENDING, status, f"http_{status}")


def test_410_disables_the_endpoint_and_the_rest_is_given_up(town: Town, receiver: WebhookReceiver) -> None:
    receiver.answers = [410]
    made = town.subscribe(receiver.url)
    town.happens(STORED)
    town.happens(STORED)
    town.tell()
    assert len(receiver.received) == 1
    assert town.endpoint(made).disabled == "gone_410"
    assert given_up(town) == ["endpoint_disabled", "endpoint_disabled"]
    town.happens(STORED)
    town.tell()
    assert len(receiver.received) == 1


def test_410_from_the_url_before_does_not_disable_the_new_one(town: Town, receiver: WebhookReceiver) -> None:
    receiver.answers = [410]
    made = town.subscribe(receiver.url)
    town.happens(STORED)
    assert town.announce.step()
    change = {"url": f"{receiver.url}/new"}
    town.mischief.hooks["append:delivery.attempted"] = lambda: _update(town, made, change)
    town.tell()
    assert town.endpoint(made).live
    assert given_up(town) == ["endpoint_disabled"]


def _update(town: Town, made: WithSecret, change: dict[str, object]) -> None:
    town.webhooks.update(OWNER, made.endpoint.endpoint_id, change, origin=Origin("main", "key_films"))


@pytest.mark.parametrize(
    ("status", "asked", "waited"), [(429, "60", 60), (502, "60", 60), (503, "60", 60), (504, "60", 60), (503, "1", 5)]
)
def test_a_throttling_endpoint_is_left_alone_as_long_as_it_asks(
    town: Town, receiver: WebhookReceiver, status: int, asked: str, waited: int
) -> None:
    receiver.answers, receiver.answer_headers = [status], {"retry-after": asked}
    town.subscribe(receiver.url)
    town.happens(STORED)
    town.tell()
    assert town.run() == [0]
    (first, second) = (int(each.headers["webhook-timestamp"]) for each in receiver.received)
    assert second - first in (waited, waited + 1)


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_an_endpoint_that_always_fails_is_tried_for_72_hours_and_then_given_up(
    receiver: WebhookReceiver, jitter: float
) -> None:
    town = Town(jitter=jitter)
    receiver.answers = [500] * 100
    made = town.subscribe(receiver.url)
    town.happens(STORED)
    assert town.announce.step()
    tried = town.run()
    planned, at = [0.0], 0.0
    for pause_s in RETRY_PAUSES_S:
        at = min(at + pause_s * (1 + 0.1 * jitter), RETRY_S_MAX)
        planned.append(at)
    assert tried == pytest.approx(planned, abs=2)
    assert planned[-1] == RETRY_S_MAX
    assert (town.deliveries()[0].state, given_up(town)) == (State.GIVEN_UP, ["retries_exhausted"])
    assert town.endpoint(made).live


def test_a_server_that_was_down_for_days_tells_late_but_tells(town: Town, receiver: WebhookReceiver) -> None:
    town.subscribe(receiver.url)
    town.happens(STORED)
    assert town.announce.step()
    town.advance(days=5)
    town.tell()
    assert [each.state for each in town.deliveries()] == [State.DELIVERED]


# --- whatever dies --------------------------------------------------------------------------


def test_killed_between_the_call_and_its_record_it_is_told_again_by_the_same_id(
    town: Town, receiver: WebhookReceiver
) -> None:
    town.subscribe(receiver.url)
    town.happens(STORED)
    town.mischief.kill_at = ("append:delivery.attempted", "before")
    town.tell()
    assert (town.mischief.kills, attempts(town)) == (1, [])
    town.tell()
    first, second = receiver.received
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)
    assert [each.attempt for each in attempts(town)] == [1]


def test_killed_before_its_position_is_kept_the_announcer_schedules_nothing_twice(
    town: Town, receiver: WebhookReceiver
) -> None:
    town.subscribe(receiver.url, "video.completed", "video.stored")
    town.happens(STORED)
    town.tell()
    town.turns.position = 0
    town.tell()
    assert len(receiver.received) == len(town.deliveries()) == 2


def test_two_announcers_at_once_tell_everything_once(town: Town, receiver: WebhookReceiver) -> None:
    town.subscribe(receiver.url)
    for _ in range(20):
        town.happens(STORED)
    barrier = threading.Barrier(2)

    def follow() -> None:
        barrier.wait()
        town.announce.step()

    followers = [threading.Thread(target=follow) for _ in range(2)]
    for each in followers:
        each.start()
    for each in followers:
        each.join()
    town.tell()
    assert len({each.webhook_id for each in receiver.received}) == len(receiver.received) == 20


def test_the_announcer_waits_for_the_read_model(receiver: WebhookReceiver) -> None:
    town = Town()
    seen: list[int] = []

    def wait_for(position: int, _timeout_s: float) -> bool:
        seen.append(position)
        return len(seen) > 1

    town.announce._wait_for = wait_for
    town.subscribe(receiver.url)
    town.happens(STORED)
    head = town.ledger.head()
    assert town.announce.step() == 0
    assert (town.turns.position, town.deliveries()) == (0, [])
    assert town.announce.step() == head
    assert (seen, len(town.deliveries())) == ([head, head], 1)


def test_after_a_restored_backup_the_announcer_goes_on_at_the_head(town: Town, receiver: WebhookReceiver) -> None:
    town.turns.position = 1_000
    town.subscribe(receiver.url)
    assert town.announce.step() == 0
    town.happens(STORED)
    town.tell()
    assert len(receiver.received) == 1


# --- hostile endpoints ----------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [silent, trickling])
def test_an_endpoint_that_never_answers_is_left_after_the_timeout(behaviour: Any) -> None:
    town = Town(timeout_s=0.3)
    with listening(behaviour) as (port, requests):
        town.subscribe(f"http://127.0.0.1:{port}/")
        town.happens(STORED)
        began = time.monotonic()
        town.tell()
    assert time.monotonic() - began < 20
    assert len(requests) == 1
    assert [(each.http_status, each.code) for each in attempts(town)] == [(None, "no_answer")]


def test_an_endpoint_that_streams_for_ever_is_not_listened_to(town: Town) -> None:
    with listening(streaming) as (port, _):
        town.subscribe(f"http://127.0.0.1:{port}/")
        town.happens(STORED)
        town.tell()
    assert [each.delivered for each in attempts(town)] == [True]


def test_an_endpoint_that_never_answers_keeps_few_couriers_at_a_time() -> None:
    town = Town(timeout_s=2.0)  # all couriers have begun by then
    with listening(silent) as (port, requests):
        town.subscribe(f"http://127.0.0.1:{port}/")
        for _ in range(5):
            town.happens(STORED)
        assert town.announce.step()
        couriers = [threading.Thread(target=town.attempt, args=(stream,)) for stream in town.due()]
        for each in couriers:
            each.start()
        for each in couriers:
            each.join()
    assert len(requests) == len(attempts(town)) == CALLS_PER_ENDPOINT_MAX
    assert len(town.due()) == 3


def test_a_name_that_comes_to_lead_inwards_is_not_called() -> None:
    addresses = ["93.184.215.14"]

    def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    town = Town(resolve=resolve)
    town.subscribe("https://rebinding.example/")
    addresses[0] = "10.0.0.1"
    town.happens(STORED)
    town.tell()
    assert [(each.http_status, each.code) for each in attempts(town)] == [(None, "address_refused")]


def test_an_endpoint_whose_owner_was_erased_is_disabled(town: Town, receiver: WebhookReceiver) -> None:
    made = town.subscribe(receiver.url)
    town.happens(STORED)
    town.keys.destroy(requester=OWNER.requester)
    town.tell()
    assert receiver.received == []
    assert town.endpoint(made).disabled == "secret_erased"
    assert given_up(town) == ["endpoint_disabled"]


def test_no_delivery_is_larger_than_standard_webhooks_allow(receiver: WebhookReceiver) -> None:
    town = Town(link=lambda *_: "https://videos.example/" + "a" * 4_000)
    town.subscribe(receiver.url, "video.stored")
    town.happens(STORED)
    town.tell()
    assert len(receiver.received[0].body) < 20_000


def test_a_delivery_belongs_to_the_request_that_caused_it(town: Town, receiver: WebhookReceiver) -> None:
    town.subscribe(receiver.url)
    town.happens(STORED)
    town.tell()
    stored, scheduled, attempted = town.ledger.read(0)[-3:]
    assert (scheduled.context.causation, attempted.context.causation) == (stored.event_id, scheduled.event_id)
    assert (scheduled.context.actor, attempted.context.actor) == ("announcer", "worker")
    assert attempted.context.occurred_at - stored.context.occurred_at < timedelta(seconds=5)

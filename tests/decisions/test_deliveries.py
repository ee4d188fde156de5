"""What follows an attempt, decided on what the ledger says by then."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from bickford_sora.decisions import deliveries as decisions
from bickford_sora.decisions.deliveries import RETRY_PAUSES_S, RETRY_S_MAX, Outcome
from bickford_sora.decisions.drafts import NOTHING
from ledger import events as e
from ledger.deliveries import Delivery, State
from ledger.endpoints import Endpoint
from ledger.envelope import Sealed
from tests.decisions.given import NOON, VIDEO_ID

ENDPOINT = Endpoint(
    stream="endpoint:main:" + "1" * 32,
    version=3,
    tenant="main",
    endpoint_id="we_" + "1" * 32,
    project="default",
    requester="req-1",
    name=Sealed("name"),
    url=Sealed("url"),
    event_types=("video.completed",),
    secret=Sealed("secret"),
    secret_hint="…abcd",
    created_at=NOON,
    updated_at=NOON,
    last_event_id=UUID(int=1),
)
SCHEDULED = e.DeliveryScheduled(
    endpoint_id=ENDPOINT.endpoint_id,
    delivery_id="wh_1",
    event_id="evt_1",
    event_type="video.completed",
    project="default",
    video_id=VIDEO_ID,
    created_at=NOON,
    trigger_position=7,
)
PENDING = Delivery(
    stream="delivery:main:" + "2" * 64,
    version=1,
    tenant="main",
    scheduled=SCHEDULED,
    scheduled_at=NOON,
    last_event_id=UUID(int=2),
)
ENDED = replace(PENDING, state=State.DELIVERED)
DISABLED = replace(ENDPOINT, disabled="operator")
DELETED = replace(ENDPOINT, deleted=True)


def test_a_delivery_that_ended_meanwhile_is_left_as_it_is() -> None:
    assert decisions.attempted(ENDED, ENDPOINT, ENDPOINT, Outcome(500), NOON, jitter=0) == NOTHING
    assert decisions.given_up(ENDED, DELETED) == NOTHING
    assert decisions.unsendable(ENDED, ENDPOINT, "secret_erased") == NOTHING


def test_a_live_endpoint_is_not_given_up_and_a_dead_one_not_disabled_again() -> None:
    assert decisions.given_up(PENDING, ENDPOINT) == NOTHING
    assert decisions.unsendable(PENDING, DISABLED, "secret_erased") == NOTHING
    gone = decisions.attempted(PENDING, DISABLED, ENDPOINT, Outcome(410), NOON, jitter=0)
    assert [fact.TYPE for _, fact in gone.facts] == ["delivery.attempted", "delivery.given_up"]


@pytest.mark.parametrize(("endpoint", "reason"), [(DISABLED, "endpoint_disabled"), (DELETED, "endpoint_deleted")])
def test_giving_up_relies_on_what_the_endpoint_is(endpoint: Endpoint, reason: str) -> None:
    draft = decisions.given_up(PENDING, endpoint)
    assert draft.facts == ((PENDING.stream, e.DeliveryGivenUp(reason=reason)),)  # type: ignore[arg-type]
    assert draft.heads == {PENDING.stream: 1, ENDPOINT.stream: 3}


def test_410_is_recorded_given_up_and_disables_in_one_decision() -> None:
    draft = decisions.attempted(PENDING, ENDPOINT, ENDPOINT, Outcome(410), NOON, jitter=0)
    assert [fact.TYPE for _, fact in draft.facts] == ["delivery.attempted", "delivery.given_up", "endpoint.disabled"]
    assert draft.heads == {PENDING.stream: 1, ENDPOINT.stream: 3}


def test_there_are_as_many_attempts_as_the_schedule_has_and_none_after_its_end() -> None:
    last = replace(PENDING, attempts=len(RETRY_PAUSES_S))
    assert decisions.retry_time(last, Outcome(500), NOON, jitter=0) is None
    ends_at = NOON + timedelta(seconds=RETRY_S_MAX)
    assert decisions.retry_time(PENDING, Outcome(500), ends_at, jitter=0) is None
    asked = Outcome(503, None, retry_after_s=3600.0)
    assert decisions.retry_time(PENDING, asked, ends_at - timedelta(minutes=1), jitter=0) == ends_at

"""Endpoints and deliveries, folded: what their facts come to, and which orders cannot be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger import deliveries, endpoints, streams
from ledger import events as e
from ledger.application import Ledger
from ledger.deliveries import State
from ledger.envelope import Context, Decision, Event, Fact, Sealed
from ledger.errors import InvalidStream
from ledger.identifiers import new_uuid7
from ledger.lifecycle import ImpossibleStep
from ledger.memory import MemoryRecorder

from .examples import EXAMPLES

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDPOINT_ID = "we_" + "1" * 32
CREATED = EXAMPLES["endpoint.created"]
UPDATED = EXAMPLES["endpoint.updated"]
ROTATED = EXAMPLES["endpoint.secret_rotated"]
DELETED = e.EndpointDeleted()
SCHEDULED = EXAMPLES["delivery.scheduled"]
GIVEN_UP = EXAMPLES["delivery.given_up"]


def attempted(number: int, *, delivered: bool) -> e.DeliveryAttempted:
    return e.DeliveryAttempted(endpoint_id=ENDPOINT_ID, delivery_id="wh_1", attempt=number, delivered=delivered)


def events(*facts: Fact, stream: str = "endpoint:main:1") -> list[Event]:
    """Facts an hour apart from one another."""
    return [
        Event(stream, version, UUID(int=version), Context("main", "key_1", NOON + timedelta(hours=version - 1)), fact)
        for version, fact in enumerate(facts, start=1)
    ]


def test_an_endpoint_is_what_its_facts_say() -> None:
    endpoint = endpoints.fold(None, events(CREATED, UPDATED, e.EndpointDisabled(reason="gone_410")))
    assert endpoint is not None
    assert (endpoint.version, endpoint.id, endpoint.event_types) == (3, endpoint.stream, ("video.stored",))
    assert (endpoint.created_at, endpoint.updated_at) == (NOON, NOON + timedelta(hours=1))
    assert (endpoint.disabled, endpoint.live) == ("gone_410", False)
    again = endpoints.fold(endpoint, [*events(*[CREATED] * 3, e.EndpointEnabled(reason="updated"))[3:]])
    assert again is not None
    assert (again.disabled, again.live, again.updated_at) == (None, True, endpoint.updated_at)
    assert endpoints.fold(None, []) is None


def test_an_update_of_one_thing_leaves_the_others() -> None:
    endpoint = endpoints.fold(None, events(CREATED, e.EndpointUpdated(name=Sealed("other"))))
    before = endpoints.fold(None, events(CREATED))
    assert endpoint is not None
    assert before is not None
    assert (endpoint.name, endpoint.url, endpoint.event_types) == (Sealed("other"), before.url, before.event_types)


def test_the_old_secret_signs_until_its_time_is_over() -> None:
    until = NOON + timedelta(days=1)
    kept = e.EndpointSecretRotated(secret=Sealed("second"), secret_hint="…", old_secret_until=until)
    endpoint = endpoints.fold(None, events(CREATED, kept))
    assert endpoint is not None
    assert endpoint.secrets(until - timedelta(seconds=1)) == (Sealed("second"), CREATED.secret)
    assert endpoint.secrets(until) == (Sealed("second"),)
    not_kept = e.EndpointSecretRotated(secret=Sealed("third"), secret_hint="…")
    endpoint = endpoints.fold(None, events(CREATED, kept, not_kept))
    assert endpoint is not None
    assert endpoint.secrets(NOON) == (Sealed("third"),)


def test_a_delivery_is_what_its_facts_say() -> None:
    delivery = deliveries.fold(
        None, events(SCHEDULED, EXAMPLES["delivery.attempted"].model_copy(update={"attempt": 1}))
    )
    assert delivery is not None
    assert (delivery.state, delivery.ended, delivery.attempts) == (State.PENDING, False, 1)
    assert (delivery.http_status, delivery.code, delivery.id) == (503, "http_503", delivery.stream)
    assert delivery.retry_at is not None
    assert _state(SCHEDULED, attempted(1, delivered=False), attempted(2, delivered=True)) is State.DELIVERED
    assert _state(SCHEDULED, GIVEN_UP) is State.GIVEN_UP
    assert deliveries.fold(None, []) is None


def _state(*facts: Fact) -> State:
    delivery = deliveries.fold(None, events(*facts))
    assert delivery is not None
    return delivery.state


@pytest.mark.parametrize(
    ("fold", "facts"),
    [
        (endpoints.fold, [UPDATED]),
        (endpoints.fold, [CREATED, CREATED]),
        (endpoints.fold, [CREATED, GIVEN_UP]),
        (endpoints.fold, [CREATED, DELETED, UPDATED]),
        (endpoints.fold, [CREATED, DELETED, DELETED]),
        (deliveries.fold, [attempted(1, delivered=True)]),
        (deliveries.fold, [SCHEDULED, SCHEDULED]),
        (deliveries.fold, [SCHEDULED, attempted(2, delivered=False)]),
        (deliveries.fold, [SCHEDULED, attempted(1, delivered=True), GIVEN_UP]),
        (deliveries.fold, [SCHEDULED, GIVEN_UP, attempted(1, delivered=False)]),
    ],
)
def test_an_order_that_cannot_be_is_refused(fold: Callable[..., Any], facts: list[Fact]) -> None:
    with pytest.raises(ImpossibleStep):
        fold(None, events(*facts))


@pytest.mark.parametrize(("fold", "first"), [(endpoints.fold, CREATED), (deliveries.fold, SCHEDULED)])
def test_a_version_that_is_missing_is_noticed(fold: Callable[..., Any], first: Fact) -> None:
    with pytest.raises(ImpossibleStep, match="version 2 after 0"):
        fold(None, events(first, first)[1:])


def test_an_endpoints_stream_is_its_tenants_own() -> None:
    made = streams.endpoint_id(new_uuid7())
    assert streams.is_endpoint_id(made)
    assert streams.endpoint("main", made) != streams.endpoint("other", made)
    assert streams.delivery("main", made, "evt_1") != streams.delivery("main", made, "evt_2")
    for wrong in ("we_", "we_" + "G" * 32, "video_" + "0" * 32, made + "0"):
        assert not streams.is_endpoint_id(wrong)
        with pytest.raises(InvalidStream):
            streams.endpoint("main", wrong)


def test_picking_decodes_only_what_is_wanted_and_says_how_far_it_looked() -> None:

    ledger = Ledger(MemoryRecorder(lambda: NOON))
    assert ledger.pick(0, {"endpoint.deleted"}, limit=10) == ([], 0)
    facts = [("endpoint:main:1", each) for each in (CREATED, UPDATED, DELETED)]
    ledger.append(Decision.of(facts, heads={}, context=Context("main", "key_1", NOON), new_id=new_uuid7))
    found, last = ledger.pick(0, {"endpoint.updated"}, limit=2)
    assert ([each.fact for each in found], last) == ([UPDATED], 2)
    assert ledger.pick(2, {"endpoint.updated"}, limit=2) == ([], 3)

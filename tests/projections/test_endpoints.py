from datetime import timedelta  # noqa: INP001 - tests/ holds rooms, it is no package

import pytest
from render_histories import Author

from ledger import events as e
from ledger.application import Ledger
from projections.announced import Announced
from projections.endpoints import PAGE_ENDPOINTS_MAX, Endpoints
from projections.leases import Leases
from projections.port import Pool
from projections.projector import Projector


@pytest.fixture
def endpoints(pool: Pool) -> Endpoints:
    return Endpoints(pool)


def publish(author: Author, projector: Projector) -> None:
    author.flush()
    projector.catch_up()


def endpoint_id(author: Author, stream: str) -> str:
    return author.endpoints[stream].endpoint_id


# --- the read model -------------------------------------------------------------------------


def test_pages_meet_without_gap_or_overlap(author: Author, projector: Projector, endpoints: Endpoints) -> None:
    made = [endpoint_id(author, author.endpoint()) for _ in range(5)]
    author.endpoint(project="game")
    publish(author, projector)
    seen: list[str] = []
    after, has_more = None, True
    while has_more:
        page = endpoints.page("acme", "film", after, 2)
        seen += [each.endpoint_id for each in page.endpoints]
        after, has_more = seen[-1], page.has_more
    assert seen == made[::-1]
    assert len(endpoints.page("acme", None).endpoints) == 6
    assert endpoints.page("other", None).endpoints == ()
    assert endpoints.count("acme", "film") == 5
    for limit in (0, PAGE_ENDPOINTS_MAX + 1):
        with pytest.raises(ValueError, match="limit"):
            endpoints.page("acme", "film", limit=limit)
        with pytest.raises(ValueError, match="limit"):
            endpoints.deliveries("acme", "film", made[0], limit)


def test_a_row_is_as_the_facts_say(author: Author, projector: Projector, endpoints: Endpoints) -> None:
    stream = author.endpoint()
    author.write(
        stream,
        e.EndpointUpdated(event_types=("video.failed", "video.stored")),
        e.EndpointDisabled(reason="gone_410"),
    )
    publish(author, projector)
    (row,) = endpoints.page("acme", "film").endpoints
    assert (row.event_types, row.disabled, row.version) == (["video.failed", "video.stored"], "gone_410", 3)
    assert (row.secret_hint, row.created_position) == ("…abcd", 1)
    author.write(stream, e.EndpointDeleted())
    publish(author, projector)
    assert endpoints.page("acme", "film").endpoints == ()


def test_only_enabled_subscribers_that_were_there_before_are_to_be_told(
    author: Author, projector: Projector, endpoints: Endpoints
) -> None:
    there = author.endpoint()
    disabled, deleted = author.endpoint(), author.endpoint()
    author.write(disabled, e.EndpointDisabled(reason="operator"))
    author.write(deleted, e.EndpointDeleted())
    author.endpoint(event_types=("video.failed",))
    game = author.endpoint(project="game")
    publish(author, projector)
    position = author.ledger.head() + 1
    author.endpoint()
    author.endpoint()
    publish(author, projector)

    def told(tenant: str, project: str | None, before_position: int) -> list[str]:
        found = endpoints.subscribed(tenant, project, "video.completed", before_position=before_position)
        return [each.endpoint_id for each in found]

    assert told("acme", "film", position) == [endpoint_id(author, there)]
    assert told("acme", None, position) == sorted([endpoint_id(author, there), endpoint_id(author, game)])
    assert told("acme", "film", 1) == []
    assert told("other", None, position) == []


def test_nobody_outside_the_project_sees_deliveries(author: Author, projector: Projector, endpoints: Endpoints) -> None:
    stream = author.endpoint()
    delivery = author.deliver(stream, "evt_1")
    author.attempt(delivery, http_status=503)
    publish(author, projector)
    told = endpoint_id(author, stream)
    (row,) = endpoints.deliveries("acme", "film", told)
    assert (row.event_id, row.state, row.attempts, row.http_status, row.code) == (
        "evt_1",
        "pending",
        1,
        503,
        "http_503",
    )
    for tenant, project in (("acme", "game"), ("other", "film")):
        assert endpoints.deliveries(tenant, project, told) == []
        assert endpoints.page(tenant, project).endpoints == ()


def test_a_delivery_is_work_until_it_ends_and_due_when_its_facts_say(
    author: Author, projector: Projector, pool: Pool
) -> None:
    leases = Leases(pool)
    leases.ensure()
    delivery = author.deliver(author.endpoint(), "evt_1")
    publish(author, projector)
    now = author.now + timedelta(seconds=1)
    (item,) = leases.claim("w1", 10, 60, now)
    assert (item.stream, item.step, item.video_id, item.project) == (delivery, "deliver", None, "film")
    author.attempt(delivery, http_status=500)
    publish(author, projector)
    leases.release(item, None)
    retry_at = author.deliveries[delivery].retry_at
    assert retry_at is not None
    assert leases.claim("w1", 10, 60, retry_at - timedelta(seconds=1)) == []
    (item,) = leases.claim("w1", 10, 60, retry_at)
    author.attempt(delivery, http_status=200)
    publish(author, projector)
    leases.release(item, None)
    assert leases.claim("w1", 10, 60, retry_at + timedelta(days=1)) == []


# --- how far was told -----------------------------------------------------------------------


def test_on_an_old_ledger_telling_begins_at_the_head(author: Author, ledger: Ledger, pool: Pool) -> None:
    author.stored_render()
    author.flush()
    announced = Announced(pool)
    announced.ensure(ledger.head())
    announced.ensure(ledger.head() + 100)
    with announced.turn() as turn:
        assert turn is not None
        assert turn.position == ledger.head() > 0


def test_one_has_the_turn_at_a_time_and_who_fails_gives_it_back(pool: Pool) -> None:
    announced = Announced(pool)
    announced.ensure(5)
    with announced.turn() as turn, announced.turn() as second:
        assert turn is not None
        assert second is None
        turn.move(7)
    with pytest.raises(ZeroDivisionError):
        _fail_in_turn(announced)
    with announced.turn() as turn:
        assert turn is not None
        assert turn.position == 7


def _fail_in_turn(announced: Announced) -> None:
    with announced.turn() as turn:
        assert turn is not None
        turn.move(9)
        raise ZeroDivisionError

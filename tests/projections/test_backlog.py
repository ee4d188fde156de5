"""How long work has been due: what waits for its turn is not late."""  # noqa: INP001

from datetime import timedelta

import pytest
from queues import Street

from projections.backlog import Waiting, backlog
from projections.leases import Leases
from projections.port import Pool
from projections.projector import Projector


@pytest.fixture
def street(pool: Pool, projector: Projector) -> Street:
    leases = Leases(pool)
    leases.ensure()
    return Street(pool, leases, in_flight_max=1)


def waiting(street: Street) -> dict[str, Waiting]:
    return {each.step: each for each in backlog(street.pool, street.now)}


def test_what_waits_for_a_place_is_not_overdue_and_what_was_begun_and_left_is(street: Street) -> None:
    street.ask("studio", 3)
    assert street.start() == ["studio"]
    street.now += timedelta(seconds=600)
    assert [waiting(street)["submit"].items, waiting(street)["submit"].overdue_s] == [2, 0.0]
    assert waiting(street)["follow"].overdue_s > 500, "its poll is late"

    street.end()
    (left,) = [each for each in street.claim() if each.step == "submit"]  # by a worker that dies with it
    assert waiting(street)["submit"].overdue_s == 0.0
    street.now += timedelta(seconds=60 + 120)
    assert waiting(street)["submit"].overdue_s == pytest.approx(120, abs=0.1)
    street.leases.release(left, None)
    assert waiting(street)["submit"].overdue_s == 0.0


def test_an_unknown_outcome_is_told_for_as_long_as_nobody_decides_however_often_it_is_looked_for(
    street: Street,
) -> None:
    street.ask("studio")
    (item,) = street.claim()
    deadline = street.now + timedelta(seconds=60)
    with street.pool.connection() as connection:  # as the read model has a submission that is under way
        connection.execute("update projection_work.items set step = 'reconcile', due_at = %s", (deadline,))
    assert waiting(street)["reconcile"].unknown == 0, "it may be answered yet"

    street.now = deadline + timedelta(seconds=900)
    street.leases.release(item, street.now + timedelta(seconds=300))
    assert waiting(street)["reconcile"].unknown == 1

    with street.pool.connection() as connection:  # as it has a job that was lost
        connection.execute("update projection_work.items set due_at = null")
    assert waiting(street)["reconcile"].unknown == 1

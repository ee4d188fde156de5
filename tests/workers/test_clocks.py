"""A machine whose clock jumped begins nothing; a database whose clock jumped keeps nobody from working."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from bickford_sora.database.pool import open_pool
from bickford_sora.workers.clocks import ClocksApart, Witness, beside_database, unchecked
from bickford_sora.workers.retain import Retain
from ledger.clock import system_clock

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Machine:
    """A machine's two clocks, of which one can be set."""

    def __init__(self) -> None:
        self.set_by = timedelta()

    def clock(self) -> datetime:
        return system_clock() + self.set_by

    def monotonic(self) -> float:
        return system_clock().timestamp() - 1_000


@pytest.fixture
def pool(database_url: str) -> Iterator[ConnectionPool[Connection[TupleRow]]]:
    with open_pool(database_url, size_max=1) as opened:
        yield opened


@pytest.mark.parametrize("jump", [DAY, -HOUR])
def test_a_machine_whose_clock_jumped_begins_nothing_until_it_is_back(
    pool: ConnectionPool[Connection[TupleRow]], jump: timedelta
) -> None:
    machine = Machine()
    witness = Witness(pool, machine.clock, machine.monotonic)
    witness.check()
    machine.set_by = jump
    with pytest.raises(ClocksApart, match=f"differ by {abs(jump.total_seconds()):.0f} s"):
        witness.check()
    machine.set_by = timedelta(seconds=5)
    witness.check()


@pytest.mark.parametrize("jump", [DAY, -HOUR])
def test_a_database_whose_clock_jumped_keeps_nobody_from_working(
    pool: ConnectionPool[Connection[TupleRow]], jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    witness = Witness(pool, machine.clock, machine.monotonic)
    witness.check()
    jumped = f"select clock_timestamp() + interval '{jump.total_seconds():.0f} s'"
    monkeypatch.setattr("bickford_sora.workers.clocks.query", lambda _name: jumped)
    witness.check()


@pytest.mark.parametrize("jump", [DAY, -HOUR])
def test_where_they_never_agreed_nobody_can_tell_which_is_wrong(
    pool: ConnectionPool[Connection[TupleRow]], jump: timedelta
) -> None:
    machine = Machine()
    machine.set_by = jump
    with pytest.raises(ClocksApart):
        Witness(pool, machine.clock, machine.monotonic).check()


def test_a_clock_that_is_turned_by_hand_is_not_checked(pool: ConnectionPool[Connection[TupleRow]]) -> None:
    assert beside_database(pool, lambda: datetime(2020, 1, 1, tzinfo=UTC)) is unchecked
    beside_database(pool, system_clock)()


class NobodysRenders:
    """Renders that nobody may be shown."""

    def tenants(self) -> list[str]:
        raise AssertionError("it was looked for prompts whose time is over")

    def readable(self, tenant: str, after: str | None, before: str, limit: int, /) -> list[str]:
        raise AssertionError((tenant, after, before, limit))


def test_no_prompts_time_is_over_by_a_clock_that_jumped(pool: ConnectionPool[Connection[TupleRow]]) -> None:
    machine = Machine()
    machine.set_by = DAY
    retain = Retain(
        query=NobodysRenders(),
        end_retention=lambda _stream: True,
        clock=machine.clock,
        prompt_retention_s=60,
        check_time=Witness(pool, machine.clock, machine.monotonic).check,
    )
    with pytest.raises(ClocksApart):
        retain.sweep(threading.Event())

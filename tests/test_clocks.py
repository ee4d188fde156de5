"""A machine whose clock jumped begins nothing; a database whose clock jumped keeps nobody from working."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool
from pydantic import ValidationError

from bickford_sora.clocks import ASKED_AGAIN_S, CLOCKS_APART_S_MAX, ClocksApart, Witness, beside_database, unchecked
from bickford_sora.database.pool import open_pool
from bickford_sora.decisions.polling import JITTER_SHARE, STRETCH_MAX
from bickford_sora.renderers.retry_after import RETRY_AFTER_S_MAX
from bickford_sora.settings import PAUSE_S_MAX, POLL_INTERVAL_S_MAX, Settings
from bickford_sora.workers.retain import Retain
from ledger.clock import system_clock
from ledger.sql import query
from projections.leases import AHEAD_S_MAX

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Machine:
    """A machine's two clocks, of which one can be set."""

    def __init__(self) -> None:
        self.set_by = timedelta()
        self.passed_s = 0.0

    def clock(self) -> datetime:
        return system_clock() + self.set_by + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return system_clock().timestamp() - 1_000 + self.passed_s


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
    monkeypatch.setattr("bickford_sora.clocks.query", lambda _name: jumped)
    machine.passed_s = ASKED_AGAIN_S
    witness.check()


def test_the_database_is_asked_now_and_then_and_at_once_when_the_clock_jumped(
    pool: ConnectionPool[Connection[TupleRow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def told(name: str) -> str:
        asked.append(name)
        return query(name)

    monkeypatch.setattr("bickford_sora.clocks.query", told)
    machine = Machine()
    witness = Witness(pool, machine.clock, machine.monotonic)
    for passed_s, set_by_s, times in ((0, 0, 1), (1, 0, 1), (ASKED_AGAIN_S, 0, 2), (ASKED_AGAIN_S, 2, 3)):
        machine.passed_s, machine.set_by = passed_s, timedelta(seconds=set_by_s)
        witness.check()
        assert len(asked) == times


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


@pytest.mark.parametrize(
    ("name", "most", "due_after_s"),
    [
        ("lease_s", PAUSE_S_MAX, PAUSE_S_MAX),
        ("retry_after_max_s", PAUSE_S_MAX, PAUSE_S_MAX),
        ("poll_fallback_s", PAUSE_S_MAX, PAUSE_S_MAX * (1 + JITTER_SHARE)),
        ("poll_interval_s", POLL_INTERVAL_S_MAX, POLL_INTERVAL_S_MAX * STRETCH_MAX * (1 + JITTER_SHARE)),
    ],
)
def test_no_setting_makes_work_due_so_late_that_it_is_taken_for_a_wrong_clocks(
    name: str, most: float, due_after_s: float
) -> None:
    assert due_after_s <= AHEAD_S_MAX
    Settings(**{name: most})
    with pytest.raises(ValidationError, match=f"{name}\\n.*less than or equal to {most:.0f}"):
        Settings(**{name: most + 1})


def test_what_clocks_differ_by_makes_no_lease_look_like_a_wrong_clocks() -> None:
    assert max(PAUSE_S_MAX, RETRY_AFTER_S_MAX) + CLOCKS_APART_S_MAX <= AHEAD_S_MAX


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

"""Following: every event once, in order, whatever happens to the connection or the server."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from bickford_sora.database.embedded import EmbeddedPostgres
from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger import following
from ledger.application import Ledger
from ledger.errors import Corrupt, Unavailable
from ledger.following import PollingBell, PostgresBell, follow, keep_up
from ledger.memory import MemoryRecorder
from ledger.recorder import PostgresRecorder

from .ledger_facts import decision, new_stream
from .ledger_tail import DELIVERY_TIMEOUT_S, Tail

NEVER_S = 60.0
"""A polling interval that no test waits for."""


def memory_ledger(events: int) -> Ledger:
    ledger = Ledger(MemoryRecorder())
    for _ in range(events):
        ledger.append(decision((new_stream(), 0)))
    return ledger


def test_batches_come_in_order_from_where_the_reader_stood() -> None:
    stop = threading.Event()
    ledger = memory_ledger(5)
    batches = follow(ledger, PollingBell(stop), stop, after=2)
    assert [each.position for each in next(batches)] == [3, 4, 5]
    assert next(batches) == []
    ledger.append(decision((new_stream(), 0)))
    assert [each.position for each in next(batches)] == [6]
    stop.set()
    assert list(batches) == []


def test_a_long_way_behind_is_read_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BATCH_EVENTS_MAX", 2)
    stop = threading.Event()
    batches = follow(memory_ledger(5), PollingBell(stop), stop, after=0)
    assert [len(next(batches)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_missing_position_is_corruption_not_a_step_over() -> None:
    ledger = memory_ledger(3)
    del ledger.recorder._order[1]
    stop = threading.Event()
    with pytest.raises(Corrupt, match="gap"):
        next(follow(ledger, PollingBell(stop), stop, after=0))


class LedgerThatIsAwayAtFirst(Ledger):
    """Does not answer the first reads."""

    away = 2

    def read(self, *arguments: object, **bounds: object) -> list[object]:
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        return super().read(*arguments, **bounds)


def test_a_database_that_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACKOFF_S", 0.01)
    stop = threading.Event()
    ledger = LedgerThatIsAwayAtFirst(MemoryRecorder())
    ledger.append(decision((new_stream(), 0)))
    assert len(next(follow(ledger, PollingBell(stop), stop, after=0))) == 1
    assert ledger.away == 0


def test_a_step_that_finds_the_database_away_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACKOFF_S", 0.01)
    stop, taken = threading.Event(), list[int]()
    ledger = LedgerThatIsAwayAtFirst(MemoryRecorder())
    ledger.append(decision((new_stream(), 0)))

    def step() -> int:
        taken.append(len(ledger.read(0, limit=10)))
        stop.set()
        return taken[-1]

    keep_up(step, stop, PollingBell(stop), waits="test_waits")
    assert taken == [1]
    assert ledger.away == 0


class BellWithAnAppendAfterListen(PostgresBell):
    """Appends in the moment between LISTEN and the next read: where a wake-up gets lost."""

    def __init__(self, url: str, stop: threading.Event, ledger: Ledger) -> None:
        super().__init__(url, stop)
        self._ledger: Ledger | None = ledger

    def wait(self, timeout_s: float) -> None:
        if self._connection is None and self._ledger is not None:
            self._ledger.append(decision((new_stream(), 0)))  # before LISTEN: nobody is told
            super().wait(timeout_s)
            self._ledger.append(decision((new_stream(), 0)))  # after LISTEN, before the read
            self._ledger = None
            return
        super().wait(timeout_s)


def test_f4_an_event_around_the_start_of_listening_is_delivered_without_another_wake_up(
    ledger: Ledger, ledger_url: str
) -> None:
    stop = threading.Event()
    tail = Tail(ledger, BellWithAnAppendAfterListen(ledger_url, stop, ledger), stop, poll_s=NEVER_S)
    try:
        assert tail.saw(2)
        ledger.append(decision((new_stream(), 0)))  # its NOTIFY also ends the wait of NEVER_S
        assert tail.saw(3)
    finally:
        stop.set()
        ledger.append(decision((new_stream(), 0)))
        tail.end()
    assert tail.positions[:3] == [1, 2, 3]


class DeafBell:
    """Never rings: what a transaction pooler makes of LISTEN."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.closed = False

    def wait(self, timeout_s: float) -> None:
        self._stop.wait(timeout_s)

    def close(self) -> None:
        self.closed = True


def test_f4_without_any_wake_up_polling_delivers(ledger: Ledger) -> None:
    stop = threading.Event()
    bell = DeafBell(stop)
    tail = Tail(ledger, bell, stop, poll_s=0.05)
    ledger.append(decision((new_stream(), 0)))
    assert tail.saw(1)
    tail.end()
    assert bell.closed


def test_a_bell_that_hears_nothing_returns_in_time_and_may_be_closed_twice(ledger_url: str) -> None:
    bell = PostgresBell(ledger_url, threading.Event())
    bell.close()
    bell.wait(NEVER_S)  # only starts to listen
    bell.wait(0.01)
    bell.close()
    bell.close()


def test_a_bell_without_a_server_waits_instead_of_raising(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(following, "BACKOFF_S", 0.01)
    bell = PostgresBell(f"postgresql:///nowhere?host={tmp_path}", threading.Event())
    bell.wait(NEVER_S)
    bell.close()


def test_f5_following_survives_its_terminated_backend(ledger: Ledger, ledger_url: str) -> None:
    stop = threading.Event()
    tail = Tail(ledger, PostgresBell(ledger_url, stop), stop, poll_s=0.2)
    for position in (1, 2, 3):
        ledger.append(decision((new_stream(), 0)))
        assert tail.saw(position)
        with psycopg.connect(ledger_url, autocommit=True) as killer:
            killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    tail.end()
    assert tail.failure is None
    assert tail.positions == [1, 2, 3]


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder the server's user may pass through; pytest's tmp_path lies under one that is 0700."""
    folder = Path(tempfile.mkdtemp(prefix="bickford-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def test_f5_following_and_appending_survive_a_restarted_server(own_folder: Path) -> None:
    stop = threading.Event()
    server = EmbeddedPostgres.acquire(own_folder / "server")
    migrate(server.url, files("ledger.migrations"), schema="ledger")
    with open_pool(server.url, size_max=3, checkout_timeout_s=DELIVERY_TIMEOUT_S) as pool:
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder)
        tail = Tail(ledger, PostgresBell(server.url, stop), stop, poll_s=0.2)
        ledger.append(decision((new_stream(), 0)))
        assert tail.saw(1)
        server.close()  # its last user: the server stops
        while_down = decision((new_stream(), 0))
        waiting = threading.Thread(target=ledger.append, args=(while_down,))
        waiting.start()
        server = EmbeddedPostgres.acquire(own_folder / "server")
        waiting.join(DELIVERY_TIMEOUT_S)
        assert tail.saw(2)
        assert ledger.append(while_down).replayed
        tail.end()
        recorder.close()
    server.close()
    assert tail.failure is None
    assert tail.positions == [1, 2]

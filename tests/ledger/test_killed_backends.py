"""Backends are killed at random under many writers and a tailing reader: nothing acknowledged is lost."""

import random
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.envelope import Decision
from ledger.errors import Unavailable
from ledger.following import PostgresBell
from ledger.recorder import PostgresRecorder

from .ledger_facts import decision, new_stream
from .ledger_tail import Tail

WRITERS = 8
KILLS = 25
KILL_INTERVAL_S = 0.08


class Writer(threading.Thread):
    """Appends until told to stop, and retries the same decision until it is acknowledged."""

    def __init__(self, ledger: Ledger, stop: threading.Event) -> None:
        super().__init__()
        self.acknowledged: dict[UUID, int] = {}
        self._ledger = ledger
        self._stop_writing = stop

    def run(self) -> None:
        while not self._stop_writing.is_set():
            self._append(decision((new_stream(), 0), facts=random.randint(1, 3)))  # noqa: S311 - a load, not a secret

    def _append(self, decided: Decision) -> None:
        while True:
            try:
                first = self._ledger.append(decided).first_position
            except Unavailable:
                continue
            self.acknowledged.update({each.event_id: first + n for n, each in enumerate(decided.events)})
            return


def kill_backends(url: str) -> int:
    """Terminates one other backend after another; how many it got."""
    killed = 0
    with psycopg.connect(url, autocommit=True) as killer:
        while killed < KILLS:
            time.sleep(KILL_INTERVAL_S)
            answer = killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
            ).fetchone()
            killed += answer == (True,)
    return killed


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A ledger with few connections: the pool sleeps longer with each broken one it meets at a checkout."""
    with open_pool(ledger_url, size_max=2) as pool:
        recorder = PostgresRecorder(pool)
        yield Ledger(recorder)
        recorder.close()


def test_nothing_acknowledged_is_lost_or_doubled_and_a_reader_sees_no_hole(ledger: Ledger, ledger_url: str) -> None:
    stop_writing, stop_reading = threading.Event(), threading.Event()
    tail = Tail(ledger, PostgresBell(ledger_url, stop_reading), stop_reading, poll_s=0.1)
    writers = [Writer(ledger, stop_writing) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    assert kill_backends(ledger_url) == KILLS
    stop_writing.set()
    for writer in writers:
        writer.join()
    acknowledged = {place for writer in writers for place in writer.acknowledged.items()}
    head = ledger.head()
    assert tail.saw(head)
    tail.end()
    stored = [(each.event_id, each.position) for each in ledger.read(0, limit=head)]
    assert tail.failure is None
    assert tail.positions == list(range(1, head + 1))
    assert len(stored) > KILLS
    assert set(stored) == acknowledged
    assert len({event_id for event_id, _ in stored}) == len(stored)
